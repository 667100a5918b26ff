/* What happens between fork and exec: the process becomes what the unit says and runs one command. */
#ifndef KEEPER_CHILD_H
#define KEEPER_CHILD_H

#include "instructions.h"

/* systemd.exec(5) "PROCESS EXIT CODES": how a process ends whose command could not be run. */
enum exec_failure {
    EXEC_CHDIR = 200, EXEC_NICE = 201, EXEC_EXEC = 203, EXEC_MEMORY = 204, EXEC_LIMITS = 205, EXEC_OOM_ADJUST = 206,
    EXEC_STDIN = 208, EXEC_STDOUT = 209, EXEC_GROUP = 216, EXEC_USER = 217, EXEC_STDERR = 222, EXEC_RUNTIME_DIRECTORY = 233,
    EXEC_NO_NEW_PRIVILEGES = 227
};

/* What the keeper knows about this run and the child needs. */
struct run {
    const struct unit *unit;
    const struct command *command;
    const struct words *facts; /* MAINPID=, INVOCATION_ID=, SERVICE_RESULT= ... */
    int journal;               /* write end of the pipe whose lines the keeper writes down */
    int verdict;               /* closed by exec; one byte is written before when exec fails; -1: nobody asks */
    bool watchdog;             /* WATCHDOG_PID= names this very process */
    const char *oom_score_adjust; /* what the keeper itself was started with */
};

/* Runs the command in this process; ends with one of exec_failure when it cannot, and says why on stderr. */
_Noreturn void child_run(const struct run *run);

#endif
