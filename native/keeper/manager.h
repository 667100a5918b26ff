/* sd_notify(3): telling the service manager, whose socket is named by $NOTIFY_SOCKET. */
#ifndef KEEPER_MANAGER_H
#define KEEPER_MANAGER_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

struct manager_socket {
    int fd;
    struct sockaddr_un address;
    socklen_t size;
};

/* Finds the socket; false, after a line on stderr, when there is none. */
bool manager_open(struct manager_socket *manager);
/* Sends one datagram as process `sender`, which takes privileges; 0 is the caller itself. Returns 0 or an errno. */
int manager_send(const struct manager_socket *manager, const char *content, pid_t sender);

#endif
