/* The processes of a unit, found through /proc. Because the keeper is a subreaper (prctl(2)), every process its unit
 * ever made stays below it, double forks included; none is left exactly when wait(2) says ECHILD. */
#ifndef KEEPER_PROCESSES_H
#define KEEPER_PROCESSES_H

#include "text.h"

struct pids {
    pid_t *items;
    size_t count;
    size_t capacity;
};

/* One process as /proc/PID/stat tells it. */
struct process {
    pid_t pid;
    pid_t parent;
    char state; /* R, S, D, Z ... */
    uint64_t start_ticks;
    char name[32];
};

void pids_add(struct pids *pids, pid_t pid);
bool pids_have(const struct pids *pids, pid_t pid);
void pids_clear(struct pids *pids);

/* False when there is no such process. */
bool process_look(pid_t pid, struct process *process);
/* Whether `pid` lives below `ancestor`. */
bool process_is_below(pid_t pid, pid_t ancestor);
/* Living processes (no zombies) below `ancestor`, itself not included. */
void processes_below(pid_t ancestor, struct pids *found);
/* Living processes that carry `mark` in their environment, or live below one that does, but not below `ancestor`. */
void processes_marked(const char *mark, pid_t ancestor, struct pids *found);
/* Sends a signal and, as systemd does, wakes a stopped process so that it can take it. False when it is gone. */
bool process_signal(pid_t pid, int signal_number);

#endif
