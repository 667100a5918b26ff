/* Which process is the main one: the command itself, what PIDFile= says, or the only one left of a forking service. */
#include "journal.h"
#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PID_FILE_BYTES_MAX 64

void service_forget_main_pid(struct service *service) {
    if (service->main_pidfd >= 0) close(service->main_pidfd);
    service->main_pidfd = -1;
    service->main_pid = 0;
    service->main_pid_known = true;
    service->dirty = true;
}

void service_set_main_pid(struct service *service, pid_t pid) {
    if (service->main_pid == pid && pid > 0) return;
    service_forget_main_pid(service);
    service->main_pid = pid;
    service->main_started_us = wall_us();
    service->main_ended = (struct ended){0};
    struct process process;
    /* The end of a process that is not our child is told by a pidfd only, and how it ended is not told at all. */
    if (process_look(pid, &process) && process.parent != getpid()) {
        service->main_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        journal_note(4, "%s: Main process %d is not a child of the keeper; how it ends will not be known.", service->name, pid);
    }
}

int service_load_pid_file(struct service *service, bool complain) {
    const char *path = service->unit->pid_file;
    if (path == NULL) return -1;
    char *content = read_whole_file(path, PID_FILE_BYTES_MAX, NULL);
    if (content == NULL) {
        if (complain) journal_note(6, "%s: Can't open PID file %s (yet?) after start: %m", service->name, path);
        return -1;
    }
    pid_t pid = (pid_t)parse_number(trim_in_place(content));
    free(content);
    if (service->main_pid_known && service->main_pid == pid && pid > 0) return 0;
    struct process process;
    bool lives = pid > 1 && process_look(pid, &process) && process.state != 'Z';
    /* Nobody may pass off a process of somebody else as the unit's main process. */
    if (!lives || !process_is_below(pid, getpid())) {
        if (complain) journal_note(4, "%s: PID file %s names process %d, which is not one of this unit.", service->name, path, pid);
        return -1;
    }
    service_set_main_pid(service, pid);
    return 1;
}

void service_search_main_pid(struct service *service) {
    if (service->main_pid > 0 || !service->unit->guess_main_pid) return;
    struct pids below = {0};
    pid_t found = 0;
    size_t candidates = 0;
    processes_below(getpid(), &below);
    for (size_t i = 0; i < below.count; i++) {
        struct process process;
        if (!process_look(below.items[i], &process) || process.parent != getpid()) continue;
        found = process.pid;
        candidates++;
    }
    pids_clear(&below);
    if (candidates == 1) service_set_main_pid(service, found);
    else service->main_pid_known = false;
}

int service_main_is_good(const struct service *service) {
    if (service->main_pid > 0) return 1;
    return service->main_pid_known ? 0 : -1;
}
