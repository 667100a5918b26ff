/* The transitions of a service; see service.h. Each function enters one state, as service_enter_*() of systemd 252 does. */
#include "service.h"

#include "journal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t monotonic_us(void) {
    return clock_us(CLOCK_MONOTONIC);
}

uint64_t wall_us(void) {
    return clock_us(CLOCK_REALTIME);
}

void service_arm(struct service *service, uint64_t delay_us) {
    uint64_t now_us = monotonic_us();
    service->deadline_us = delay_us > TIME_INFINITY - now_us ? TIME_INFINITY : now_us + delay_us;
}

void service_set_state(struct service *service, enum state state) {
    if (strcmp(active_state_name(service->state), active_state_name(state)) != 0) service->since_us = wall_us();
    if (state != STATE_RUNNING && state != STATE_RELOAD && state != STATE_START_POST && state != STATE_START)
        service->watchdog_deadline_us = TIME_INFINITY;
    service->state = state;
    service->dirty = true;
}

void service_fail(struct service *service, enum result result) {
    if (service->result == RESULT_SUCCESS) service->result = result;
    service->dirty = true;
}

static void close_verdict(struct service *service) {
    if (service->verdict_fd >= 0) close(service->verdict_fd);
    service->verdict_fd = -1;
}

static void new_invocation(struct service *service) {
    unsigned char random[16];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) abort();
    for (size_t i = 0; i < sizeof random; i++) {
        static const char digits[] = "0123456789abcdef";
        service->invocation[2 * i] = digits[random[i] >> 4];
        service->invocation[2 * i + 1] = digits[random[i] & 15];
    }
    service->invocation[32] = '\0';
}

/* Commands belong to the unit as it was read: nothing may point to them when it is read again. */
static bool read_unit(struct service *service) {
    char *why = NULL;
    struct unit *unit = unit_read("instructions", &why);
    if (unit == NULL) {
        journal_note(3, "%s: %s", service->name, why);
        free(why);
        return false;
    }
    service->main_command = service->control_command = NULL;
    if (service->unit != NULL) unit_free(service->unit);
    service->unit = unit;
    return true;
}

/* A start by hand takes the newest instructions; one by Restart= keeps those the unit was started with. */
void service_begin_start(struct service *service, bool automatic) {
    service->start_due = service->start_is_restart = service->clearing = false;
    if (!automatic && !read_unit(service)) {
        service->result = RESULT_RESOURCES;
        service_set_state(service, STATE_FAILED);
        return;
    }
    if (!service_may_run(service)) {
        journal_note(4, "%s: Not started: this machine is not certain to belong to the cluster.", service->name);
        service_enter_dead(service, RESULT_RESOURCES, false);
        return;
    }
    if (automatic) service->restarts++;
    else if (service->flush_restarts) service->restarts = 0;
    service->flush_restarts = false;
    if (automatic) journal_note(6, "%s: Scheduled restart job, restart counter is at %llu.", service->name,
                                (unsigned long long)service->restarts);
    if (!service_take_start(service)) {
        journal_note(4, "%s: Start request repeated too quickly.", service->name);
        service_enter_dead(service, RESULT_START_LIMIT_HIT, false);
        return;
    }
    service->result = RESULT_SUCCESS;
    service->forbid_restart = service->succeeded = service->stopping_announced = false;
    service->watchdog_us = service->unit->watchdog_us;
    service->main_ended = (struct ended){0};
    service->main_ended_us = service->main_started_us = 0;
    service->look_again_us = TIME_INFINITY;
    service_forget_main_pid(service);
    service->main_pid_known = service->unit->type != TYPE_FORKING;
    free(service->status_text);
    service->status_text = NULL;
    new_invocation(service);
    journal_note(6, "Starting %s...", service->name);
    const struct command *condition = service->unit->commands[PHASE_CONDITION];
    if (condition == NULL) {
        service_enter_start_pre(service);
        return;
    }
    service_arm(service, service->unit->timeout_start_us);
    service_set_state(service, STATE_CONDITION);
    service_run_control(service, condition, PHASE_CONDITION);
}

/* Starts a control process; a failure to start one counts as the failure of the phase. */
bool service_run_control(struct service *service, const struct command *command, enum phase phase) {
    pid_t pid = launch(service, command, phase, NULL);
    if (pid > 0) {
        service->control_command = command;
        service->control_pid = pid;
        return true;
    }
    service->control_command = NULL;
    switch (phase) {
    case PHASE_RELOAD:
        service_enter_running(service, RESULT_SUCCESS);
        break;
    case PHASE_STOP_POST:
        service_enter_signal(service, STATE_FINAL_SIGTERM, RESULT_RESOURCES);
        break;
    case PHASE_CONDITION:
    case PHASE_START_PRE:
    case PHASE_START:
    case PHASE_START_POST:
    case PHASE_STOP:
    case PHASE_COUNT:
        service_enter_signal(service, STATE_STOP_SIGTERM, RESULT_RESOURCES);
        break;
    }
    return false;
}

bool service_run_main(struct service *service, const struct command *command) {
    close_verdict(service);
    bool needs_verdict = service->unit->type == TYPE_EXEC;
    service->main_ended = (struct ended){0};
    pid_t pid = launch(service, command, PHASE_START, needs_verdict ? &service->verdict_fd : NULL);
    if (pid < 0) {
        service_enter_signal(service, STATE_STOP_SIGTERM, RESULT_RESOURCES);
        return false;
    }
    service->main_command = command;
    service_set_main_pid(service, pid);
    return true;
}

void service_enter_start_pre(struct service *service) {
    const struct command *command = service->unit->commands[PHASE_START_PRE];
    if (command == NULL) {
        service_enter_start(service);
        return;
    }
    service_arm(service, service->unit->timeout_start_us);
    service_set_state(service, STATE_START_PRE);
    service_run_control(service, command, PHASE_START_PRE);
}

void service_enter_start(struct service *service) {
    const struct command *command = service->unit->commands[PHASE_START];
    service->control_command = service->main_command = NULL;
    if (command == NULL) {
        /* Only a oneshot may do without: fleetd refuses the others. */
        service_enter_start_post(service);
        return;
    }
    bool simple = service->unit->type == TYPE_SIMPLE;
    service_arm(service, simple ? TIME_INFINITY : service->unit->timeout_start_us);
    service_set_state(service, STATE_START);
    if (service->unit->type == TYPE_FORKING) {
        service_run_control(service, command, PHASE_START);
        return;
    }
    if (service_run_main(service, command) && simple) service_enter_start_post(service);
}

static void arm_watchdog(struct service *service) {
    bool runs = service->watchdog_us > 0 && service->watchdog_us != TIME_INFINITY && service->main_pid > 0;
    service->watchdog_deadline_us = runs ? monotonic_us() + service->watchdog_us : TIME_INFINITY;
}

void service_enter_start_post(struct service *service) {
    close_verdict(service);
    service->control_command = NULL;
    arm_watchdog(service);
    const struct command *command = service->unit->commands[PHASE_START_POST];
    if (command == NULL) {
        service_enter_running(service, RESULT_SUCCESS);
        return;
    }
    service_arm(service, service->unit->timeout_start_us);
    service_set_state(service, STATE_START_POST);
    service_run_control(service, command, PHASE_START_POST);
}

/* A unit whose main process cannot be told runs as long as any process of it does. */
static bool is_good(const struct service *service) {
    int main = service_main_is_good(service);
    return main > 0 || (main < 0 && !service_is_empty(service));
}

void service_enter_running(struct service *service, enum result result) {
    service_fail(service, result);
    service->control_command = NULL;
    bool was_starting = strcmp(active_state_name(service->state), "activating") == 0;
    if (service->result != RESULT_SUCCESS) {
        service_enter_signal(service, STATE_STOP_SIGTERM, result);
        return;
    }
    bool good = is_good(service);
    if (was_starting && (good || service->unit->remain_after_exit)) journal_note(6, "Started %s.", service->name);
    if (good && service->stopping_announced) {
        service_enter_stop(service, RESULT_SUCCESS);
    } else if (good) {
        if (service->state != STATE_RUNNING && service->state != STATE_RELOAD) {
            service_arm(service, service->unit->runtime_max_us);
            service->runtime_deadline_us = service->deadline_us;
        }
        service->deadline_us = service->runtime_deadline_us;
        service_set_state(service, STATE_RUNNING);
    } else if (service->unit->remain_after_exit) {
        service_arm(service, TIME_INFINITY);
        service_set_state(service, STATE_EXITED);
    } else {
        if (was_starting) journal_note(6, "Finished %s.", service->name);
        service_enter_stop(service, RESULT_SUCCESS);
    }
}

void service_enter_reload(struct service *service) {
    const struct command *command = service->unit->commands[PHASE_RELOAD];
    if (command == NULL) return;
    journal_note(6, "Reloading %s...", service->name);
    service_arm(service, service->unit->timeout_start_us);
    service_set_state(service, STATE_RELOAD);
    service_run_control(service, command, PHASE_RELOAD);
}

void service_enter_stop(struct service *service, enum result result) {
    service_fail(service, result);
    const struct command *command = service->unit->commands[PHASE_STOP];
    if (command == NULL) {
        service_enter_signal(service, STATE_STOP_SIGTERM, RESULT_SUCCESS);
        return;
    }
    service_arm(service, service->unit->timeout_stop_us);
    service_set_state(service, STATE_STOP);
    service_run_control(service, command, PHASE_STOP);
}

/* Kills, and waits in `state` when there is something to wait for; else goes on to what follows it. */
void service_enter_signal(struct service *service, enum state state, enum result result) {
    service_fail(service, result);
    close_verdict(service);
    bool final = state == STATE_FINAL_SIGTERM || state == STATE_FINAL_SIGKILL;
    bool killing = state == STATE_STOP_SIGKILL || state == STATE_FINAL_SIGKILL;
    enum ending ending = killing ? ENDING_KILL : state == STATE_STOP_WATCHDOG ? ENDING_WATCHDOG : ENDING_TERMINATE;
    if (service_kill(service, ending)) {
        service_arm(service, service->unit->timeout_stop_us);
        service_set_state(service, state);
        if (service->clearing) service->look_again_us = monotonic_us();
    } else if (!killing && service->unit->send_sigkill) {
        service_enter_signal(service, final ? STATE_FINAL_SIGKILL : STATE_STOP_SIGKILL, RESULT_SUCCESS);
    } else if (!final) {
        service_enter_stop_post(service, RESULT_SUCCESS);
    } else {
        service_enter_dead(service, RESULT_SUCCESS, true);
    }
}

void service_enter_stop_post(struct service *service, enum result result) {
    service_fail(service, result);
    const struct command *command = service->unit->commands[PHASE_STOP_POST];
    if (command == NULL) {
        service_enter_signal(service, STATE_FINAL_SIGTERM, RESULT_SUCCESS);
        return;
    }
    service_arm(service, service->unit->timeout_stop_us);
    service_set_state(service, STATE_STOP_POST);
    service_run_control(service, command, PHASE_STOP_POST);
}

static void tell_outcome(const struct service *service) {
    if (service->result == RESULT_EXEC_CONDITION) journal_note(6, "%s: Skipped due to 'exec-condition'.", service->name);
    else if (service->result != RESULT_SUCCESS)
        journal_note(4, "%s: Failed with result '%s'.", service->name, result_name(service->result));
    else if (service->forbid_restart) journal_note(6, "Stopped %s.", service->name);
    else journal_note(6, "%s: Deactivated successfully.", service->name);
}

void service_enter_dead(struct service *service, enum result result, bool allow_restart) {
    service_fail(service, result);
    close_verdict(service);
    service_forget_main_pid(service);
    service->control_pid = 0;
    service->clearing = false;
    service->look_again_us = TIME_INFINITY;
    journal_drain();
    tell_outcome(service);
    bool oneshot = service->unit != NULL && service->unit->type == TYPE_ONESHOT;
    service->succeeded = oneshot && service->result == RESULT_SUCCESS && !service->forbid_restart;
    bool again = allow_restart && !service->start_due && service_shall_restart(service);
    if (again) {
        service_arm(service, service->unit->restart_us);
        service_set_state(service, STATE_AUTO_RESTART);
        return;
    }
    service->flush_restarts = true;
    service_arm(service, TIME_INFINITY);
    bool failed = service->result != RESULT_SUCCESS && service->result != RESULT_EXEC_CONDITION;
    service_set_state(service, failed ? STATE_FAILED : STATE_DEAD);
    if (service->start_due) service_begin_start(service, false);
}
