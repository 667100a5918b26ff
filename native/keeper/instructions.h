/* What a unit says, as fleetd has understood it: the settings a keeper carries out. */
#ifndef KEEPER_INSTRUCTIONS_H
#define KEEPER_INSTRUCTIONS_H

#include "text.h"

#include <sys/resource.h>

enum service_type { TYPE_SIMPLE, TYPE_EXEC, TYPE_ONESHOT, TYPE_NOTIFY, TYPE_FORKING };
enum restart_policy {
    RESTART_NO, RESTART_ON_SUCCESS, RESTART_ON_FAILURE, RESTART_ON_ABNORMAL, RESTART_ON_WATCHDOG, RESTART_ON_ABORT, RESTART_ALWAYS
};
enum kill_mode { KILL_CONTROL_GROUP, KILL_MIXED, KILL_PROCESS, KILL_NONE };
enum notify_access { NOTIFY_ACCESS_NONE, NOTIFY_ACCESS_MAIN, NOTIFY_ACCESS_EXEC, NOTIFY_ACCESS_ALL };
enum phase {
    PHASE_CONDITION, PHASE_START_PRE, PHASE_START, PHASE_START_POST, PHASE_RELOAD, PHASE_STOP, PHASE_STOP_POST, PHASE_COUNT
};

/* One command line: the file to run, its words ($VARIABLES not yet expanded) and its prefixes. */
struct command {
    struct command *next;
    bool ignore_failure; /* - */
    bool no_expansion;   /* : */
    bool privileged;     /* + and !: User= and Group= are not applied */
    char *path;
    struct words arguments; /* argv, argv[0] included */
};

/* Exit statuses and signals of one list such as SuccessExitStatus=. */
struct status_set {
    bool statuses[256];
    bool signals[65];
};

struct resource_limit {
    struct resource_limit *next;
    int resource;
    struct rlimit limit;
};

struct unit {
    char *name;
    char *hash;
    char *rendered;
    char *user;
    char *group;
    char *pid_file;
    char *working_directory; /* "~" is the home directory; a leading "-" forgives its absence */
    char *identifier;
    char *output; /* journal, null, file:PATH, append:PATH, truncate:PATH */
    char *error;  /* the same, or inherit */
    char *fence;  /* the file with the moment until which the unit may run; NULL: it may run for ever */
    uint64_t type, restart, kill_mode, notify_access;
    uint64_t remain_after_exit, guess_main_pid, send_sigkill, send_sighup, ignore_sigpipe, no_new_privileges;
    uint64_t restart_us, timeout_start_us, timeout_stop_us, runtime_max_us, watchdog_us, limit_interval_us, limit_burst;
    uint64_t kill_signal, restart_kill_signal, final_kill_signal, watchdog_signal;
    uint64_t umask;
    char *nice;             /* NULL: as it is */
    char *oom_score_adjust; /* NULL: as it is */
    struct words supplementary_groups, environment, environment_files, pass_environment, unset_environment;
    struct words directories; /* "MODE PATH": RuntimeDirectory= and its kin */
    struct status_set success, prevent_restart, force_restart;
    struct command *commands[PHASE_COUNT];
    struct resource_limit *limits;
};

/* Reads instructions; returns NULL and one line in `why` (to be freed) when they are not there or not whole. */
struct unit *unit_read(const char *path, char **why);
void unit_free(struct unit *unit);

#endif
