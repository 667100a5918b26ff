/* What a service does because time has passed: its time limits, the watchdog, looking again. */
#include "fence.h"
#include "journal.h"
#include "service.h"

static void on_deadline(struct service *service) {
    if (service->state != STATE_AUTO_RESTART && service->state != STATE_RUNNING)
        journal_note(4, "%s: State '%s' timed out.", service->name, state_name(service->state));
    service->deadline_us = TIME_INFINITY;
    bool may_kill = service->unit->send_sigkill;
    switch (service->state) {
    case STATE_CONDITION:
    case STATE_START_PRE:
    case STATE_START:
    case STATE_START_POST:
    case STATE_STOP:
        service_enter_signal(service, STATE_STOP_SIGTERM, RESULT_TIMEOUT);
        break;
    case STATE_RUNNING:
        journal_note(4, "%s: Service reached runtime time limit. Stopping.", service->name);
        service_enter_stop(service, RESULT_TIMEOUT);
        break;
    case STATE_RELOAD:
        if (service->control_pid > 0) process_signal(service->control_pid, 9);
        service->control_pid = 0;
        service_enter_running(service, RESULT_SUCCESS);
        break;
    case STATE_STOP_WATCHDOG:
    case STATE_STOP_SIGTERM:
        if (may_kill) service_enter_signal(service, STATE_STOP_SIGKILL, RESULT_TIMEOUT);
        else service_enter_stop_post(service, RESULT_TIMEOUT);
        break;
    case STATE_STOP_SIGKILL:
        service_enter_stop_post(service, RESULT_TIMEOUT);
        break;
    case STATE_STOP_POST:
        service_enter_signal(service, STATE_FINAL_SIGTERM, RESULT_TIMEOUT);
        break;
    case STATE_FINAL_SIGTERM:
        if (may_kill) service_enter_signal(service, STATE_FINAL_SIGKILL, RESULT_TIMEOUT);
        else service_enter_dead(service, RESULT_TIMEOUT, false);
        break;
    case STATE_FINAL_SIGKILL:
        journal_note(3, "%s: Processes still around after final SIGKILL. Entering failed mode.", service->name);
        service_enter_dead(service, RESULT_TIMEOUT, true);
        break;
    case STATE_AUTO_RESTART:
        service_begin_start(service, true);
        break;
    case STATE_DEAD:
    case STATE_EXITED:
    case STATE_FAILED:
    case STATE_COUNT:
        break;
    }
}

/* Looks for a PID file that is late, or whether leftovers of a killed keeper are gone: nothing tells of either. */
static void look_again(struct service *service, uint64_t now_us) {
    service->look_again_us = TIME_INFINITY;
    if (service->clearing) {
        if (service_is_empty(service)) service_on_empty(service);
        else service->look_again_us = now_us + LOOK_AGAIN_US;
        return;
    }
    if (service->state != STATE_START && service->state != STATE_START_POST) return;
    if (service_load_pid_file(service, false) < 0) service->look_again_us = now_us + LOOK_AGAIN_US;
    else if (service->state == STATE_START) service_enter_start_post(service);
    else service_enter_running(service, RESULT_SUCCESS);
}

bool service_may_run(struct service *service) {
    service->fence_look_us = TIME_INFINITY;
    if (service->unit == NULL || service->unit->fence == NULL) return true;
    uint64_t left_us = fence_left_ms(service->unit->fence) * 1000;
    if (left_us == 0) return false;
    service->fence_look_us = monotonic_us() + (left_us < FENCE_LOOK_US ? left_us : FENCE_LOOK_US);
    return true;
}

static void look_at_fence(struct service *service) {
    if (service_is_down(service) || service_may_run(service)) return;
    journal_note(4, "%s: This machine was cut off from the cluster for too long. Stopping.", service->name);
    service_command(service, "stop");
}

void service_on_time(struct service *service, uint64_t now_us) {
    if (now_us >= service->watchdog_deadline_us) {
        service->watchdog_deadline_us = TIME_INFINITY;
        journal_note(3, "%s: Watchdog timeout!", service->name);
        service_enter_signal(service, STATE_STOP_WATCHDOG, RESULT_WATCHDOG);
        return;
    }
    if (now_us >= service->fence_look_us) look_at_fence(service);
    if (now_us >= service->look_again_us) look_again(service, now_us);
    if (now_us >= service->deadline_us) on_deadline(service);
}

static uint64_t earlier(uint64_t one, uint64_t other) {
    return one < other ? one : other;
}

uint64_t service_next_time(const struct service *service) {
    uint64_t next_us = earlier(service->deadline_us, service->watchdog_deadline_us);
    next_us = earlier(earlier(next_us, service->fence_look_us), service->look_again_us);
    return service->dirty ? earlier(next_us, service->save_again_us) : next_us;
}
