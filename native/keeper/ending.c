/* Ends the processes of a unit as KillMode= says. */
#include "journal.h"
#include "service.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that forks while it is being killed is found in the next round. */
#define KILL_ROUNDS_MAX 16

static int signal_of(const struct service *service, enum ending ending) {
    const struct unit *unit = service->unit;
    if (ending == ENDING_KILL) return (int)unit->final_kill_signal;
    if (ending == ENDING_WATCHDOG) return (int)unit->watchdog_signal;
    bool restarting = service->start_due && service->start_is_restart && unit->restart_kill_signal > 0;
    return (int)(restarting ? unit->restart_kill_signal : unit->kill_signal);
}

static bool signal_one(const struct service *service, pid_t pid, int number, bool hang_up) {
    if (pid <= 0 || !process_signal(pid, number)) return false;
    if (hang_up && service->unit->send_sighup) process_signal(pid, SIGHUP);
    return true;
}

static void collect_group(const struct service *service, struct pids *pids) {
    processes_below(getpid(), pids);
    if (service->clearing) processes_marked(service->mark, getpid(), pids);
}

/* Signals every process of the unit but those in `done`, and adds them to it. */
static size_t signal_group(const struct service *service, int number, bool hang_up, struct pids *done) {
    struct pids pids = {0};
    size_t signalled = 0;
    collect_group(service, &pids);
    for (size_t i = 0; i < pids.count; i++) {
        if (pids_have(done, pids.items[i])) continue;
        pids_add(done, pids.items[i]);
        if (signal_one(service, pids.items[i], number, hang_up)) signalled++;
    }
    pids_clear(&pids);
    return signalled;
}

bool service_kill(struct service *service, enum ending ending) {
    enum kill_mode mode = (enum kill_mode)service->unit->kill_mode;
    int number = signal_of(service, ending);
    bool hang_up = ending == ENDING_TERMINATE && number != SIGHUP;
    if (mode == KILL_NONE) return false;
    struct pids done = {0};
    bool waiting = signal_one(service, service->main_pid, number, hang_up);
    if (signal_one(service, service->control_pid, number, hang_up)) waiting = true;
    if (service->main_pid > 0) pids_add(&done, service->main_pid);
    if (service->control_pid > 0) pids_add(&done, service->control_pid);
    bool whole_group = mode == KILL_CONTROL_GROUP || (mode == KILL_MIXED && ending == ENDING_KILL);
    int rounds = ending == ENDING_KILL ? KILL_ROUNDS_MAX : 1;
    for (int round = 0; whole_group && round < rounds; round++) {
        size_t signalled = signal_group(service, number, hang_up, &done);
        if (signalled == 0) break;
        waiting = true;
        if (round > 0 || ending == ENDING_KILL)
            journal_note(5, "%s: Killed %zu left-over processes with signal %d.", service->name, signalled, number);
    }
    pids_clear(&done);
    return waiting;
}

bool service_is_empty(const struct service *service) {
    siginfo_t info;
    /* Every process of the unit is below us, so without a child there is none. */
    bool no_children = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
    if (!no_children || !service->clearing) return no_children;
    struct pids marked = {0};
    processes_marked(service->mark, getpid(), &marked);
    bool empty = marked.count == 0;
    pids_clear(&marked);
    return empty;
}
