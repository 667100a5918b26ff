/* What people ask of a service through its control socket. */
#include "journal.h"
#include "service.h"

#include <stdlib.h>
#include <string.h>

static void begin_stop(struct service *service) {
    service->forbid_restart = true;
    switch (service->state) {
    case STATE_AUTO_RESTART:
        service_arm(service, TIME_INFINITY);
        service->flush_restarts = true;
        service_set_state(service, STATE_DEAD);
        break;
    case STATE_CONDITION:
    case STATE_START_PRE:
    case STATE_START:
    case STATE_START_POST:
    case STATE_RELOAD:
        /* A start that is under way is broken off; ExecStop= is for services that have run. */
        service_enter_signal(service, STATE_STOP_SIGTERM, RESULT_SUCCESS);
        break;
    case STATE_RUNNING:
    case STATE_EXITED:
        journal_note(6, "Stopping %s...", service->name);
        service_enter_stop(service, RESULT_SUCCESS);
        break;
    default:
        break;
    }
}

static const char *command_start(struct service *service) {
    service->dirty = true;
    if (service_is_down(service)) service_begin_start(service, false);
    else if (service->state >= STATE_STOP && service->state <= STATE_FINAL_SIGKILL) service->start_due = true;
    return NULL;
}

static const char *command_restart(struct service *service) {
    if (service_is_down(service) || service->state == STATE_AUTO_RESTART) {
        service_begin_start(service, false);
        return NULL;
    }
    service->start_due = service->start_is_restart = true;
    service->dirty = true;
    begin_stop(service);
    return NULL;
}

static const char *command_stop(struct service *service) {
    service->start_due = service->start_is_restart = false;
    service->dirty = true;
    begin_stop(service);
    return NULL;
}

static const char *command_reload(struct service *service) {
    if (service->state != STATE_RUNNING && service->state != STATE_EXITED) return "the unit does not run";
    if (service->unit->commands[PHASE_RELOAD] == NULL) return "the unit has no ExecReload=";
    service_enter_reload(service);
    return NULL;
}

/* What runs goes on; leftovers of a killed keeper that are still being ended will have ended well. */
static const char *command_reset_failed(struct service *service) {
    service->limit_begin_us = service->limit_count = service->restarts = 0;
    service->dirty = true;
    if (service->state != STATE_FAILED && !service->clearing) return NULL;
    service->result = RESULT_SUCCESS;
    service->main_ended = (struct ended){0};
    if (service->state == STATE_FAILED) service_set_state(service, STATE_DEAD);
    return NULL;
}

const char *service_command(struct service *service, const char *line) {
    if (strcmp(line, "start") == 0) return command_start(service);
    if (strcmp(line, "restart") == 0) return command_restart(service);
    if (strcmp(line, "stop") == 0) return command_stop(service);
    if (strcmp(line, "reset-failed") == 0) return command_reset_failed(service);
    if (strcmp(line, "reload") == 0) return command_reload(service);
    return "no such command";
}
