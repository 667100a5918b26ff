/* What happens to a service: processes end, time passes. The branches are those of systemd 252's service.c. */
#include "journal.h"
#include "service.h"

#include <stdlib.h>
#include <unistd.h>


static void tell_end(const struct service *service, const char *what, struct ended ended, enum result result) {
    char *status = ended_status_name(ended);
    journal_note(result == RESULT_SUCCESS ? 6 : 5, "%s: %s exited, code=%s, status=%s", service->name, what,
                 ended_code_name(ended.code), status);
    free(status);
}

static void remember_end(struct service *service, pid_t pid, struct ended ended) {
    for (int phase = 0; phase < PHASE_COUNT; phase++) {
        if (service->last_runs[phase].pid != pid) continue;
        service->last_runs[phase].ended = ended;
        service->dirty = true;
    }
}

/* Without any process left, neither main nor control, the state it is in can never be left cleanly. */
static void on_main_ended_in_state(struct service *service, enum result result) {
    bool control_lives = service->control_pid > 0;
    switch (service->state) {
    case STATE_START:
        if (service->unit->type == TYPE_ONESHOT) {
            if (result == RESULT_SUCCESS) service_enter_start_post(service);
            else service_enter_signal(service, STATE_STOP_SIGTERM, result);
        } else if (service->unit->type == TYPE_NOTIFY) {
            /* Only the notification makes it active; without a process that may still send it, it never will be. */
            bool hopeless = !service->unit->remain_after_exit || service->unit->notify_access == NOTIFY_ACCESS_MAIN;
            if (result != RESULT_SUCCESS) service_enter_signal(service, STATE_STOP_SIGTERM, result);
            else if (hopeless) service_enter_signal(service, STATE_STOP_SIGTERM, RESULT_PROTOCOL);
        } else if (service->unit->type != TYPE_FORKING) {
            service_enter_running(service, result);
        }
        break;
    case STATE_RUNNING:
        service_enter_running(service, result);
        break;
    case STATE_START_POST:
    case STATE_RELOAD:
        if (!control_lives) service_enter_stop(service, result);
        break;
    case STATE_STOP_WATCHDOG:
    case STATE_STOP_SIGTERM:
    case STATE_STOP_SIGKILL:
        if (!control_lives) service_enter_stop_post(service, result);
        break;
    case STATE_STOP_POST:
        if (!control_lives) service_enter_signal(service, STATE_FINAL_SIGTERM, result);
        break;
    case STATE_FINAL_SIGTERM:
    case STATE_FINAL_SIGKILL: /* waits until no process is left */
    case STATE_CONDITION:
    case STATE_START_PRE:
    case STATE_STOP: /* wait for the control process */
    case STATE_DEAD:
    case STATE_EXITED:
    case STATE_FAILED:
    case STATE_AUTO_RESTART:
    case STATE_COUNT:
        break;
    }
}

static void on_main_ended(struct service *service, struct ended ended) {
    enum result result = service_judge(service, ended, service->unit->type != TYPE_ONESHOT);
    /* A daemon may hand over to another process as long as its PID file names that one first. */
    if (service_load_pid_file(service, false) > 0) return;
    service_forget_main_pid(service);
    service->main_ended = ended;
    service->main_ended_us = wall_us();
    const struct command *command = service->main_command;
    const struct command *starter = command != NULL ? command : service->unit->commands[PHASE_START];
    if (starter != NULL && starter->ignore_failure) result = RESULT_SUCCESS;
    tell_end(service, "Main process", ended, result);
    service_fail(service, result);
    bool more = command != NULL && command->next != NULL && service->unit->type == TYPE_ONESHOT;
    if (more && result == RESULT_SUCCESS && service->state == STATE_START) {
        service_run_main(service, command->next);
        return;
    }
    service->main_command = NULL;
    on_main_ended_in_state(service, result);
}

/* The process a forking service was started by has ended: find out which one is the main process now. */
static void on_forked(struct service *service, enum result result) {
    if (result != RESULT_SUCCESS) {
        service_enter_signal(service, STATE_STOP_SIGTERM, result);
        return;
    }
    bool post_may_write_it = service->unit->commands[PHASE_START_POST] != NULL;
    if (service->unit->pid_file == NULL) {
        service_search_main_pid(service);
    } else if (service_load_pid_file(service, !post_may_write_it) < 0 && !post_may_write_it) {
        if (service_is_empty(service)) service_enter_signal(service, STATE_STOP_SIGTERM, RESULT_PROTOCOL);
        else service->look_again_us = monotonic_us() + LOOK_AGAIN_US;
        return;
    }
    service_enter_start_post(service);
}

static void on_start_post_ended(struct service *service, enum result result) {
    if (result != RESULT_SUCCESS) {
        service_enter_signal(service, STATE_STOP_SIGTERM, result);
        return;
    }
    if (service->unit->pid_file != NULL && service_load_pid_file(service, true) < 0 && service->main_pid == 0) {
        if (service_is_empty(service)) service_enter_signal(service, STATE_STOP_SIGTERM, RESULT_PROTOCOL);
        else service->look_again_us = monotonic_us() + LOOK_AGAIN_US;
        return;
    }
    service_enter_running(service, RESULT_SUCCESS);
}

static void on_control_phase_ended(struct service *service, enum result result) {
    switch (service->state) {
    case STATE_CONDITION:
        if (result == RESULT_SUCCESS) service_enter_start_pre(service);
        else service_enter_signal(service, STATE_STOP_SIGTERM, result);
        break;
    case STATE_START_PRE:
        if (result == RESULT_SUCCESS) service_enter_start(service);
        else service_enter_signal(service, STATE_STOP_SIGTERM, result);
        break;
    case STATE_START:
        if (service->unit->type == TYPE_FORKING) on_forked(service, result);
        break;
    case STATE_START_POST:
        on_start_post_ended(service, result);
        break;
    case STATE_RELOAD:
        if (service_load_pid_file(service, true) < 0) service_search_main_pid(service);
        service_enter_running(service, RESULT_SUCCESS);
        break;
    case STATE_STOP:
        service_enter_signal(service, STATE_STOP_SIGTERM, result);
        break;
    case STATE_STOP_WATCHDOG:
    case STATE_STOP_SIGTERM:
    case STATE_STOP_SIGKILL:
        if (service->main_pid <= 0) service_enter_stop_post(service, result);
        break;
    case STATE_STOP_POST:
        if (service->main_pid <= 0) service_enter_signal(service, STATE_FINAL_SIGTERM, result);
        break;
    case STATE_FINAL_SIGTERM:
    case STATE_FINAL_SIGKILL: /* waits until no process is left */
    case STATE_DEAD:
    case STATE_RUNNING:
    case STATE_EXITED:
    case STATE_FAILED:
    case STATE_AUTO_RESTART:
    case STATE_COUNT:
        break;
    }
}

static enum phase phase_of(enum state state) {
    switch (state) {
    case STATE_CONDITION: return PHASE_CONDITION;
    case STATE_START_PRE: return PHASE_START_PRE;
    case STATE_START_POST: return PHASE_START_POST;
    case STATE_RELOAD: return PHASE_RELOAD;
    case STATE_STOP: return PHASE_STOP;
    case STATE_STOP_POST: return PHASE_STOP_POST;
    default: return PHASE_START;
    }
}

/* States in which a list of commands is worked off one after another. */
static bool has_control_commands(enum state state) {
    return state == STATE_CONDITION || state == STATE_START_PRE || state == STATE_START_POST || state == STATE_RELOAD ||
           state == STATE_STOP || state == STATE_STOP_POST;
}

static void on_control_ended(struct service *service, struct ended ended) {
    enum result result = service_judge(service, ended, false);
    const struct command *command = service->control_command;
    service->control_pid = 0;
    if (command != NULL && command->ignore_failure) result = RESULT_SUCCESS;
    /* 1 to 254 of ExecCondition= say no, 255 and signals say that something is wrong. */
    bool says_no = service->state == STATE_CONDITION && ended.code == CLD_EXITED && ended.status < 255;
    if (says_no && result != RESULT_SUCCESS) result = RESULT_EXEC_CONDITION;
    if (result != RESULT_SUCCESS) tell_end(service, "Control process", ended, result);
    if (service->state != STATE_RELOAD) service_fail(service, result);
    service->control_command = NULL;
    bool more = command != NULL && command->next != NULL && has_control_commands(service->state);
    if (more && result == RESULT_SUCCESS) {
        service_run_control(service, command->next, phase_of(service->state));
        return;
    }
    on_control_phase_ended(service, result);
}

void service_on_ended(struct service *service, pid_t pid, struct ended ended) {
    remember_end(service, pid, ended);
    /* What a process wrote before it ended stands before the line that tells its end. */
    if (pid == service->main_pid || pid == service->control_pid) journal_drain();
    if (pid == service->main_pid) on_main_ended(service, ended);
    else if (pid == service->control_pid) on_control_ended(service, ended);
}

void service_on_main_lost(struct service *service) {
    struct process process;
    /* It became our child meanwhile: wait(2) tells its end. */
    if (process_look(service->main_pid, &process) && process.parent == getpid()) return;
    service_forget_main_pid(service);
    service->main_ended_us = wall_us();
    on_main_ended_in_state(service, RESULT_SUCCESS);
}

void service_on_verdict(struct service *service) {
    char byte;
    bool executed = read(service->verdict_fd, &byte, 1) == 0;
    close(service->verdict_fd);
    service->verdict_fd = -1;
    /* When exec failed, the end of the process follows and says with which status. */
    if (executed && service->state == STATE_START && service->main_pid > 0) service_enter_start_post(service);
}

void service_on_empty(struct service *service) {
    bool hopes_for_pid_file = service->unit->pid_file != NULL && service->main_pid == 0 && service->control_pid == 0;
    switch (service->state) {
    case STATE_START:
    case STATE_START_POST:
        if (hopes_for_pid_file || (service->unit->type == TYPE_NOTIFY && service->state == STATE_START))
            service_enter_signal(service, STATE_STOP_SIGTERM, RESULT_PROTOCOL);
        break;
    case STATE_RUNNING:
        service_enter_running(service, RESULT_SUCCESS);
        break;
    case STATE_STOP_WATCHDOG:
    case STATE_STOP_SIGTERM:
    case STATE_STOP_SIGKILL:
        service_enter_stop_post(service, RESULT_SUCCESS);
        break;
    case STATE_FINAL_SIGTERM:
    case STATE_FINAL_SIGKILL:
        service_enter_dead(service, RESULT_SUCCESS, true);
        break;
    default:
        break;
    }
}
