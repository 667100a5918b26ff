/* The service manager's socket; see manager.h. */
#include "manager.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool manager_open(struct manager_socket *manager) {
    const char *path = getenv("NOTIFY_SOCKET");
    memset(manager, 0, sizeof *manager);
    manager->address.sun_family = AF_UNIX;
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof manager->address.sun_path) {
        fprintf(stderr, "NOTIFY_SOCKET names no socket\n");
        return false;
    }
    memcpy(manager->address.sun_path, path, strlen(path));
    bool is_abstract = path[0] == '@';
    if (is_abstract) manager->address.sun_path[0] = '\0';
    manager->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + (is_abstract ? 0 : 1));
    manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (manager->fd < 0) fprintf(stderr, "no socket: %s\n", strerror(errno));
    return manager->fd >= 0;
}

int manager_send(const struct manager_socket *manager, const char *content, pid_t sender) {
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec space = {.iov_base = (char *)content, .iov_len = strlen(content)};
    struct msghdr message = {
        .msg_name = (void *)&manager->address, .msg_namelen = manager->size, .msg_iov = &space, .msg_iovlen = 1};
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
    return sendmsg(manager->fd, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}
