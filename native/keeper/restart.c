/* Whether a service that has ended is started again: Restart=, exit status lists, the start limit. */
#include "service.h"

#include <signal.h>

static bool is_in(const struct status_set *set, struct ended ended) {
    if (ended.code == CLD_EXITED) return ended.status >= 0 && ended.status < 256 && set->statuses[ended.status];
    return ended.status > 0 && ended.status < 65 && set->signals[ended.status];
}

/* What an end means. A daemon may also be ended by the signals that ask it to go; a command may not. */
enum result service_judge(const struct service *service, struct ended ended, bool is_daemon) {
    if (is_in(&service->unit->success, ended)) return RESULT_SUCCESS;
    if (ended.code == CLD_EXITED) return ended.status == 0 ? RESULT_SUCCESS : RESULT_EXIT_CODE;
    if (ended.code == CLD_DUMPED) return RESULT_CORE_DUMP;
    bool asked_to_go = ended.status == SIGHUP || ended.status == SIGINT || ended.status == SIGTERM || ended.status == SIGPIPE;
    return is_daemon && asked_to_go ? RESULT_SUCCESS : RESULT_SIGNAL;
}

bool service_shall_restart(const struct service *service) {
    if (service->forbid_restart) return false;
    if (service->main_ended.code != 0 && is_in(&service->unit->prevent_restart, service->main_ended)) return false;
    if (service->main_ended.code != 0 && is_in(&service->unit->force_restart, service->main_ended)) return true;
    enum result result = service->result;
    bool good = result == RESULT_SUCCESS || result == RESULT_EXEC_CONDITION;
    switch ((enum restart_policy)service->unit->restart) {
    case RESTART_NO: return false;
    case RESTART_ALWAYS: return result != RESULT_EXEC_CONDITION;
    case RESTART_ON_SUCCESS: return result == RESULT_SUCCESS;
    case RESTART_ON_FAILURE: return !good;
    case RESTART_ON_ABNORMAL: return !good && result != RESULT_EXIT_CODE;
    case RESTART_ON_WATCHDOG: return result == RESULT_WATCHDOG;
    case RESTART_ON_ABORT: return result == RESULT_SIGNAL || result == RESULT_CORE_DUMP;
    }
    return false;
}

bool service_take_start(struct service *service) {
    uint64_t interval_us = service->unit->limit_interval_us, now_us = monotonic_us();
    if (interval_us == 0 || service->unit->limit_burst == 0) return true;
    bool window_is_over = interval_us != TIME_INFINITY && now_us >= service->limit_begin_us + interval_us;
    if (service->limit_begin_us == 0 || window_is_over) {
        service->limit_begin_us = now_us;
        service->limit_count = 0;
    }
    if (service->limit_count >= service->unit->limit_burst) return false;
    service->limit_count++;
    return true;
}
