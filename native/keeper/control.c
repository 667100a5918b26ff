/* The control socket; see control.h and protocol.h. */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct connection {
    int fd;
    bool watching;
    size_t used;
    char line[COMMAND_BYTES_MAX];
};

static struct connection connections[CONNECTIONS_MAX];
static size_t connection_count;

int control_open(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    /* A relative path: the absolute one may be longer than a socket address can hold. */
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "control"};
    unlink(address.sun_path);
    mode_t before = umask(0177);
    int failed = bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, CONNECTIONS_MAX) < 0 ? errno : 0;
    umask(before);
    if (failed == 0) return fd;
    close(fd);
    errno = failed;
    return -1;
}

static void close_connection(size_t at) {
    close(connections[at].fd);
    connections[at] = connections[--connection_count];
}

void control_accept(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    struct ucred peer;
    socklen_t size = sizeof peer;
    bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == geteuid());
    if (!known) {
        close(fd);
        return;
    }
    /* Too many at once: the oldest goes; a watcher looks at the state file then and connects again. */
    if (connection_count == CONNECTIONS_MAX) close_connection(0);
    connections[connection_count++] = (struct connection){.fd = fd};
}

size_t control_polls(struct pollfd *polls) {
    for (size_t i = 0; i < connection_count; i++) polls[i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
    return connection_count;
}

static void answer(int fd, const char *refusal) {
    char line[COMMAND_BYTES_MAX];
    int length = snprintf(line, sizeof line, refusal == NULL ? "ok\n" : "refused %s\n", refusal);
    ssize_t sent = send(fd, line, (size_t)length, MSG_NOSIGNAL);
    (void)sent; /* who does not wait for the answer does not get one */
}

/* Handles a whole line; true when the connection stays open. */
static bool on_line(struct service *service, struct connection *connection) {
    if (strcmp(connection->line, "watch") == 0) {
        connection->watching = true;
        answer(connection->fd, NULL);
        return true;
    }
    const char *refusal = service_command(service, connection->line);
    if (service->dirty) state_save(service);
    answer(connection->fd, refusal);
    return false;
}

/* True when the connection stays open. */
static bool read_connection(struct service *service, struct connection *connection) {
    size_t space = sizeof connection->line - 1 - connection->used;
    ssize_t got = read(connection->fd, connection->line + connection->used, space);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0 || connection->watching) return false;
    connection->used += (size_t)got;
    connection->line[connection->used] = '\0';
    char *end = strchr(connection->line, '\n');
    if (end == NULL) return connection->used < sizeof connection->line - 1;
    *end = '\0';
    return on_line(service, connection);
}

void control_read(struct service *service, const struct pollfd *polls, size_t count) {
    for (size_t i = count; i-- > 0;) {
        if (polls[i].revents == 0 || i >= connection_count || connections[i].fd != polls[i].fd) continue;
        if (!read_connection(service, &connections[i])) close_connection(i);
    }
}
