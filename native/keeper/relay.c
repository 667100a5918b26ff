/* The relay; see relay.h. */
#include "relay.h"

#include "protocol.h"
#include "text.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int send_with_sender(int fd, const struct sockaddr_un *address, socklen_t size, const char *content, pid_t sender) {
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec space = {.iov_base = (char *)content, .iov_len = strlen(content)};
    struct msghdr message = {.msg_name = (void *)address, .msg_namelen = size, .msg_iov = &space, .msg_iovlen = 1};
    struct ucred who = {.pid = sender, .uid = getuid(), .gid = getgid()};
    if (sender > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_CREDENTIALS;
        part->cmsg_len = CMSG_LEN(sizeof who);
        memcpy(CMSG_DATA(part), &who, sizeof who);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}

/* The message counts as its parent's, so that NotifyAccess=main is enough; that takes privileges, without them the relay
 * speaks for itself. */
static void send_line(int fd, const struct sockaddr_un *address, socklen_t size, const char *content) {
    int failed = send_with_sender(fd, address, size, content, getppid());
    if (failed == EPERM) failed = send_with_sender(fd, address, size, content, 0);
    if (failed != 0) fprintf(stderr, "the notification could not be sent: %s\n", strerror(failed));
}

int relay_run(void) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof address.sun_path) {
        fprintf(stderr, "NOTIFY_SOCKET names no socket\n");
        return 1;
    }
    memcpy(address.sun_path, path, strlen(path));
    bool is_abstract = path[0] == '@';
    if (is_abstract) address.sun_path[0] = '\0';
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + (is_abstract ? 0 : 1));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        fprintf(stderr, "no socket: %s\n", strerror(errno));
        return 1;
    }
    char line[NOTIFICATION_BYTES_MAX];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        unescape_in_place(line);
        if (*line != '\0') send_line(fd, &address, size, line);
    }
    close(fd);
    return 0;
}
