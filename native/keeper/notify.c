/* Notifications of the unit's processes (sd_notify(3)): readiness, status, watchdog, a new main process. */
#include "journal.h"
#include "service.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Messages read in one turn of the loop. */
#define MESSAGES_PER_TURN_MAX 64
#define DESCRIPTORS_MAX 16

/* The socket is abstract: a path would be limited to 107 bytes and would have to be reachable for the unit's user.
 * Anybody may send to it, so every message is taken for what its sender's pid allows. */
int notify_open(struct service *service) {
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(service->notify_socket, sizeof service->notify_socket, "@fleet-keeper-%s", service->mark);
    memcpy(address.sun_path + 1, service->notify_socket + 1, (size_t)length - 1);
    int on = 1;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length);
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0 && bind(fd, (struct sockaddr *)&address, size) == 0) return fd;
    close(fd);
    return -1;
}

static bool may_notify(const struct service *service, pid_t pid) {
    switch ((enum notify_access)service->unit->notify_access) {
    case NOTIFY_ACCESS_NONE: return false;
    case NOTIFY_ACCESS_MAIN: return pid == service->main_pid;
    case NOTIFY_ACCESS_EXEC: return pid == service->main_pid || pid == service->control_pid;
    case NOTIFY_ACCESS_ALL: return process_is_below(pid, getpid());
    }
    return false;
}

static void restart_watchdog(struct service *service) {
    bool runs = service->watchdog_us > 0 && service->watchdog_us != TIME_INFINITY;
    if (service->watchdog_deadline_us != TIME_INFINITY || runs)
        service->watchdog_deadline_us = runs ? monotonic_us() + service->watchdog_us : TIME_INFINITY;
}

static void take_main_pid(struct service *service, const char *text) {
    pid_t pid = (pid_t)parse_number(text);
    if (pid <= 1 || pid == service->main_pid) return;
    if (process_is_below(pid, getpid())) service_set_main_pid(service, pid);
    else journal_note(4, "%s: New main PID %d does not belong to the unit, ignoring.", service->name, pid);
}

/* A unit may ask for more time than its limits give it, again and again (sd_notify(3)). */
static void extend_deadline(struct service *service, uint64_t extra_us) {
    if (service->deadline_us == TIME_INFINITY) return;
    uint64_t wanted_us = monotonic_us() + extra_us;
    if (wanted_us > service->deadline_us) service->deadline_us = wanted_us;
}

static void on_stopping(struct service *service) {
    service->stopping_announced = true;
    if (service->state != STATE_RUNNING) return;
    service_arm(service, service->unit->timeout_stop_us);
    service_set_state(service, STATE_STOP_SIGTERM);
}

static void on_field(struct service *service, const char *field) {
    if (strcmp(field, "READY=1") == 0) {
        if (service->unit->type == TYPE_NOTIFY && service->state == STATE_START) service_enter_start_post(service);
        else if (service->state == STATE_RELOAD && service->control_pid == 0) service_enter_running(service, RESULT_SUCCESS);
    } else if (strcmp(field, "STOPPING=1") == 0) {
        on_stopping(service);
    } else if (strncmp(field, "MAINPID=", 8) == 0) {
        take_main_pid(service, field + 8);
    } else if (strncmp(field, "STATUS=", 7) == 0) {
        free(service->status_text);
        service->status_text = copy_text(field + 7);
        service->dirty = true;
    } else if (strcmp(field, "WATCHDOG=1") == 0) {
        if (service->watchdog_deadline_us != TIME_INFINITY) restart_watchdog(service);
    } else if (strcmp(field, "WATCHDOG=trigger") == 0) {
        journal_note(3, "%s: Watchdog triggered by the unit itself.", service->name);
        service_enter_signal(service, STATE_STOP_WATCHDOG, RESULT_WATCHDOG);
    } else if (strncmp(field, "WATCHDOG_USEC=", 14) == 0) {
        service->watchdog_us = parse_number(field + 14);
        if (service->watchdog_deadline_us != TIME_INFINITY) restart_watchdog(service);
    } else if (strncmp(field, "EXTEND_TIMEOUT_USEC=", 20) == 0) {
        extend_deadline(service, parse_number(field + 20));
    }
}

/* Finds the sender and closes what came with the message: a descriptor closed is what BARRIER=1 waits for. */
static pid_t read_sender(struct msghdr *message) {
    pid_t pid = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET) continue;
        if (part->cmsg_type == SCM_CREDENTIALS) {
            struct ucred sender;
            memcpy(&sender, CMSG_DATA(part), sizeof sender);
            pid = sender.pid;
        } else if (part->cmsg_type == SCM_RIGHTS) {
            size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (size_t i = 0; i < count; i++) {
                int fd;
                memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
                close(fd);
            }
        }
    }
    return pid;
}

void notify_read(struct service *service, int fd) {
    for (int turn = 0; turn < MESSAGES_PER_TURN_MAX; turn++) {
        char content[NOTIFICATION_BYTES_MAX + 1];
        union {
            char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
            struct cmsghdr align;
        } control;
        struct iovec space = {.iov_base = content, .iov_len = NOTIFICATION_BYTES_MAX};
        struct msghdr message = {
            .msg_iov = &space, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
        ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (got < 0) return;
        pid_t sender = read_sender(&message);
        if (service->unit == NULL || service_is_down(service) || (message.msg_flags & MSG_TRUNC) != 0) continue;
        if (!may_notify(service, sender)) {
            journal_note(4, "%s: Got notification message from PID %d, but reception is not permitted for it.", service->name, sender);
            continue;
        }
        content[got] = '\0';
        char *rest = content, *field;
        while ((field = strsep(&rest, "\n")) != NULL)
            if (*field != '\0') on_field(service, field);
    }
}
