/* The relay; see relay.h. */
#include "relay.h"

#include "manager.h"
#include "protocol.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The message counts as its parent's, so that NotifyAccess=main is enough; that takes privileges, without them the relay
 * speaks for itself. */
static void send_line(const struct manager_socket *manager, const char *content) {
    int failed = manager_send(manager, content, getppid());
    if (failed == EPERM) failed = manager_send(manager, content, 0);
    if (failed != 0) fprintf(stderr, "the notification could not be sent: %s\n", strerror(failed));
}

int relay_run(void) {
    struct manager_socket manager;
    if (!manager_open(&manager)) return 1;
    char line[NOTIFICATION_BYTES_MAX];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        unescape_in_place(line);
        if (*line != '\0') send_line(&manager, line);
    }
    close(manager.fd);
    return 0;
}
