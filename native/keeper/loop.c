/* The keeper's loop; see loop.h. */
#include "loop.h"

#include "control.h"
#include "journal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIXED_EARS 5
#define REAPED_PER_TURN_MAX 256

static void reap(struct service *service) {
    for (int turn = 0; turn < REAPED_PER_TURN_MAX; turn++) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0) break;
        service_on_ended(service, info.si_pid, (struct ended){.code = info.si_code, .status = info.si_status});
    }
    if (service_is_empty(service)) service_on_empty(service);
}

static void on_signals(struct service *service, int fd) {
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
        /* The machine goes down, or a person wants this unit gone: an orderly stop. */
        if (info.ssi_signo == SIGTERM) service_command(service, "stop");
    }
    reap(service);
}

static int timeout_ms(const struct service *service) {
    uint64_t next_us = service_next_time(service), now_us = monotonic_us();
    if (next_us == TIME_INFINITY) return -1;
    if (next_us <= now_us) return 0;
    uint64_t delay_ms = (next_us - now_us + 999) / 1000;
    return delay_ms > 3600000 ? 3600000 : (int)delay_ms;
}

static void wait_for_events(struct service *service, const struct ears *ears) {
    struct pollfd polls[FIXED_EARS + CONNECTIONS_MAX + STREAMS_MAX] = {
        {.fd = ears->signals, .events = POLLIN},       {.fd = ears->control, .events = POLLIN},
        {.fd = ears->notify, .events = POLLIN},        {.fd = service->verdict_fd, .events = POLLIN},
        {.fd = service->main_pidfd, .events = POLLIN},
    };
    int verdict_fd = service->verdict_fd, main_pidfd = service->main_pidfd;
    struct pollfd *connections = polls + FIXED_EARS;
    size_t connection_count = control_polls(connections);
    struct pollfd *streams = connections + connection_count;
    size_t stream_count = journal_polls(streams);
    if (poll(polls, FIXED_EARS + connection_count + stream_count, timeout_ms(service)) > 0) {
        journal_read(streams, stream_count);
        if (polls[2].revents != 0) notify_read(service, ears->notify);
        if (polls[3].revents != 0 && service->verdict_fd == verdict_fd) service_on_verdict(service);
        if (polls[0].revents != 0) on_signals(service, ears->signals);
        if (polls[4].revents != 0 && service->main_pidfd == main_pidfd) service_on_main_lost(service);
        control_read(service, connections, connection_count);
        if (polls[1].revents != 0) control_accept(ears->control);
    }
    service_on_time(service, monotonic_us());
}

void loop_run(struct service *service, const struct ears *ears) {
    for (;;) {
        if (service->dirty && (service->save_again_us == 0 || monotonic_us() >= service->save_again_us)) state_save(service);
        /* Processes that KillMode= leaves behind keep their keeper, and with it their journal. */
        if (service_is_down(service) && !service->dirty && service_is_empty(service)) break;
        wait_for_events(service, ears);
    }
    journal_drain();
}
