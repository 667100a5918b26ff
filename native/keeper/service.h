/*
 * The life of one service: states and transitions are those of systemd 252 (systemd.service(5), and the substates that
 * `systemctl status` shows), so that a unit behaves on a host without systemd as it does on one with it.
 * Promises: every event (a process ended, a time limit passed, a notification, a command) is one function, none of them
 * waits; what people see is saved before a command is answered.
 */
#ifndef KEEPER_SERVICE_H
#define KEEPER_SERVICE_H

#include "instructions.h"
#include "processes.h"
#include "protocol.h"

#include <signal.h>

/* How often a PID file that is late, or processes that are not our children, are looked for. */
#define LOOK_AGAIN_US 50000
/* How long a state that could not be saved waits for the next try. */
#define SAVE_AGAIN_US 1000000
/* How often a fenced unit's moment is looked at: after a suspended machine went on, it is stopped within this time. */
#define FENCE_LOOK_US 1000000

enum state {
    STATE_DEAD, STATE_CONDITION, STATE_START_PRE, STATE_START, STATE_START_POST, STATE_RUNNING, STATE_EXITED, STATE_RELOAD,
    STATE_STOP, STATE_STOP_WATCHDOG, STATE_STOP_SIGTERM, STATE_STOP_SIGKILL, STATE_STOP_POST, STATE_FINAL_SIGTERM,
    STATE_FINAL_SIGKILL, STATE_FAILED, STATE_AUTO_RESTART, STATE_COUNT
};

enum result {
    RESULT_SUCCESS, RESULT_RESOURCES, RESULT_PROTOCOL, RESULT_TIMEOUT, RESULT_EXIT_CODE, RESULT_SIGNAL, RESULT_CORE_DUMP,
    RESULT_WATCHDOG, RESULT_START_LIMIT_HIT, RESULT_EXEC_CONDITION,
    RESULT_KEEPER_LOST, /* not systemd's: the keeper itself was killed, so nobody knows how the processes ended */
    RESULT_COUNT
};

/* How a process ended: si_code and si_status of sigaction(2); code 0: it has not. */
struct ended {
    int code;
    int status;
};

/* The last command of each phase, for `status`. */
struct last_run {
    pid_t pid;
    struct ended ended;
    char *command;
};

struct service {
    const char *name;
    struct unit *unit; /* NULL before the first start was read */
    enum state state;
    enum result result;
    pid_t main_pid; /* 0: none, or not known */
    pid_t control_pid;
    bool main_pid_known; /* false for a forking service whose main process could not be told */
    int main_pidfd;      /* for a main process that is not our child, else -1 */
    const struct command *main_command;
    const struct command *control_command;
    int verdict_fd; /* Type=exec: ends when the command was executed; else -1 */
    struct ended main_ended;
    struct last_run last_runs[PHASE_COUNT];
    uint64_t deadline_us; /* of this state, monotonic; TIME_INFINITY: none */
    uint64_t runtime_deadline_us; /* RuntimeMaxSec=, kept across a reload */
    uint64_t watchdog_us; /* the unit's, or what it asked for by WATCHDOG_USEC= */
    uint64_t watchdog_deadline_us;
    uint64_t fence_look_us; /* when to look at the fence's moment again; TIME_INFINITY: it is down or has no fence */
    uint64_t look_again_us; /* when to look again for a PID file or for leftover processes */
    uint64_t save_again_us; /* when to try again to save a state that could not be saved */
    uint64_t since_us;        /* wall clock: since when inactive, activating, active ... */
    uint64_t main_started_us; /* wall clock */
    uint64_t main_ended_us;
    uint64_t limit_begin_us; /* start limit: window and starts in it */
    uint64_t limit_count;
    uint64_t restarts;
    bool flush_restarts;   /* the counter begins again with the next start */
    bool forbid_restart;   /* somebody asked for the stop */
    bool start_due;        /* start once stopped */
    bool start_is_restart; /* ... as the second half of a restart */
    bool succeeded; /* a oneshot that has ended by itself, with success */
    bool stopping_announced;
    bool clearing; /* leftovers of a killed keeper are being ended */
    bool dirty;
    char *status_text; /* STATUS= */
    char invocation[33];
    char mark[33];
    char notify_socket[64];
    char *oom_score_adjust;
};

static inline bool service_is_down(const struct service *service) {
    return service->state == STATE_DEAD || service->state == STATE_FAILED;
}

/* -- transitions, service.c -- */
void service_set_state(struct service *service, enum state state);
void service_arm(struct service *service, uint64_t delay_us); /* TIME_INFINITY disarms */
void service_fail(struct service *service, enum result result); /* keeps the first failure */
void service_begin_start(struct service *service, bool automatic);
void service_enter_start_pre(struct service *service);
void service_enter_start(struct service *service);
void service_enter_start_post(struct service *service);
void service_enter_running(struct service *service, enum result result);
void service_enter_reload(struct service *service);
void service_enter_stop(struct service *service, enum result result);
void service_enter_signal(struct service *service, enum state state, enum result result);
void service_enter_stop_post(struct service *service, enum result result);
void service_enter_dead(struct service *service, enum result result, bool allow_restart);
/* Runs a command as main or control process; enters a failure by itself and answers false when it cannot. */
bool service_run_main(struct service *service, const struct command *command);
bool service_run_control(struct service *service, const struct command *command, enum phase phase);

/* -- restart rules and start limit, restart.c -- */
bool service_shall_restart(const struct service *service);
bool service_take_start(struct service *service); /* false when the start limit is hit */
enum result service_judge(const struct service *service, struct ended ended, bool is_daemon);

/* -- main process, main-process.c -- */
void service_set_main_pid(struct service *service, pid_t pid);
void service_forget_main_pid(struct service *service);
/* 1: took a process from PIDFile=, 0: the one it had, -1: there is none (yet). */
int service_load_pid_file(struct service *service, bool complain);
void service_search_main_pid(struct service *service);
/* 1: the main process lives, 0: it is known to be gone, -1: not known. */
int service_main_is_good(const struct service *service);

/* -- killing, ending.c -- */
enum ending { ENDING_TERMINATE, ENDING_KILL, ENDING_WATCHDOG };
/* Signals the unit's processes as KillMode= says; true when there is something to wait for. */
bool service_kill(struct service *service, enum ending ending);
/* Whether no process of the unit is left that a stop has to wait for. */
bool service_is_empty(const struct service *service);

/* -- events, events.c and timing.c -- */
void service_on_ended(struct service *service, pid_t pid, struct ended ended);
void service_on_empty(struct service *service);
void service_on_time(struct service *service, uint64_t now_us);
void service_on_main_lost(struct service *service);
/* The descriptor of a Type=exec command has something to read: its end means that the command was executed. */
void service_on_verdict(struct service *service);
uint64_t service_next_time(const struct service *service);
/* Whether the unit's fence lets it run; looks again later when it does. */
bool service_may_run(struct service *service);

/* -- commands, commands.c -- */
/* Carries out one command line; returns NULL, or why it was refused. */
const char *service_command(struct service *service, const char *line);

/* -- notifications, notify.c -- */
int notify_open(struct service *service);
void notify_read(struct service *service, int fd);

/* -- launching, launch.c -- */
pid_t launch(struct service *service, const struct command *command, enum phase phase, int *verdict_fd);

/* -- the state file, state.c -- */
void state_save(struct service *service);
/* Takes over what the last keeper left; false when nothing usable stands there. `was_up`: it ended without saying so. */
bool state_load(struct service *service, bool *was_up);
const char *state_name(enum state state);
const char *active_state_name(enum state state);
const char *result_name(enum result result);
const char *ended_code_name(int code);
char *ended_status_name(struct ended ended); /* "1/FAILURE", "9/KILL"; to be freed */

uint64_t monotonic_us(void);
uint64_t wall_us(void);

#endif
