/* The state file: what fleetd and the next keeper read; see protocol.h for its form. */
#include "service.h"

#include "journal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_BYTES_MAX (1024 * 1024)

static const struct {
    const char *sub;
    const char *active;
} state_names[STATE_COUNT] = {
    [STATE_DEAD] = {"dead", "inactive"},
    [STATE_CONDITION] = {"condition", "activating"},
    [STATE_START_PRE] = {"start-pre", "activating"},
    [STATE_START] = {"start", "activating"},
    [STATE_START_POST] = {"start-post", "activating"},
    [STATE_RUNNING] = {"running", "active"},
    [STATE_EXITED] = {"exited", "active"},
    [STATE_RELOAD] = {"reload", "reloading"},
    [STATE_STOP] = {"stop", "deactivating"},
    [STATE_STOP_WATCHDOG] = {"stop-watchdog", "deactivating"},
    [STATE_STOP_SIGTERM] = {"stop-sigterm", "deactivating"},
    [STATE_STOP_SIGKILL] = {"stop-sigkill", "deactivating"},
    [STATE_STOP_POST] = {"stop-post", "deactivating"},
    [STATE_FINAL_SIGTERM] = {"final-sigterm", "deactivating"},
    [STATE_FINAL_SIGKILL] = {"final-sigkill", "deactivating"},
    [STATE_FAILED] = {"failed", "failed"},
    [STATE_AUTO_RESTART] = {"auto-restart", "activating"},
};

static const char *const result_names[RESULT_COUNT] = {
    "success", "resources", "protocol", "timeout", "exit-code", "signal", "core-dump", "watchdog", "start-limit-hit",
    "exec-condition", "keeper-lost"};

static const char *const signal_names[32] = {
    [SIGHUP] = "HUP", [SIGINT] = "INT", [SIGQUIT] = "QUIT", [SIGILL] = "ILL", [SIGTRAP] = "TRAP", [SIGABRT] = "ABRT",
    [SIGBUS] = "BUS", [SIGFPE] = "FPE", [SIGKILL] = "KILL", [SIGUSR1] = "USR1", [SIGSEGV] = "SEGV", [SIGUSR2] = "USR2",
    [SIGPIPE] = "PIPE", [SIGALRM] = "ALRM", [SIGTERM] = "TERM", [SIGCHLD] = "CHLD", [SIGCONT] = "CONT", [SIGSTOP] = "STOP",
    [SIGTSTP] = "TSTP", [SIGTTIN] = "TTIN", [SIGTTOU] = "TTOU", [SIGURG] = "URG", [SIGXCPU] = "XCPU", [SIGXFSZ] = "XFSZ",
    [SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF", [SIGWINCH] = "WINCH", [SIGIO] = "IO", [SIGPWR] = "PWR", [SIGSYS] = "SYS"};

/* Names of exit statuses: those of the C library and systemd.exec(5). */
static const struct {
    int status;
    const char *name;
} exit_names[] = {
    {0, "SUCCESS"}, {1, "FAILURE"}, {2, "INVALIDARGUMENT"}, {3, "NOTIMPLEMENTED"}, {4, "NOPERMISSION"}, {5, "NOTINSTALLED"},
    {6, "NOTCONFIGURED"}, {7, "NOTRUNNING"}, {200, "CHDIR"}, {201, "NICE"}, {203, "EXEC"}, {204, "MEMORY"}, {205, "LIMITS"},
    {206, "OOM_ADJUST"}, {208, "STDIN"}, {209, "STDOUT"}, {216, "GROUP"}, {217, "USER"}, {222, "STDERR"},
    {227, "NO_NEW_PRIVILEGES"}, {233, "RUNTIME_DIRECTORY"},
};

const char *state_name(enum state state) {
    return state_names[state].sub;
}

const char *active_state_name(enum state state) {
    return state_names[state].active;
}

const char *result_name(enum result result) {
    return result_names[result];
}

const char *ended_code_name(int code) {
    return code == CLD_EXITED ? "exited" : code == CLD_DUMPED ? "dumped" : code == CLD_KILLED ? "killed" : "";
}

char *ended_status_name(struct ended ended) {
    const char *name = NULL;
    if (ended.code != CLD_EXITED) {
        name = ended.status > 0 && ended.status < 32 ? signal_names[ended.status] : NULL;
    } else {
        for (size_t i = 0; i < sizeof exit_names / sizeof exit_names[0]; i++)
            if (exit_names[i].status == ended.status) name = exit_names[i].name;
    }
    return format_text(name == NULL ? "%d" : "%d/%s", ended.status, name);
}

/* Names this boot of the machine, or this run of a container: the kernel's boot id stays the same when a container is
 * restarted, but its first process is another one then. */
static char *boot_name(void) {
    char *id = read_whole_file("/proc/sys/kernel/random/boot_id", 64, NULL);
    struct process first = {0};
    process_look(1, &first);
    char *name = format_text("%s/%llu", id == NULL ? "" : trim_in_place(id), (unsigned long long)first.start_ticks);
    free(id);
    return name;
}

static void put_text(struct text *state, const char *key, const char *value) {
    text_format(state, "%s ", key);
    text_add_escaped(state, value == NULL ? "" : value);
    text_add(state, "\n", 1);
}

static void put_number(struct text *state, const char *key, uint64_t value) {
    text_format(state, "%s %llu\n", key, (unsigned long long)value);
}

static void put_runs(struct text *state, const struct service *service) {
    for (int phase = 0; phase < PHASE_COUNT; phase++) {
        const struct last_run *last = &service->last_runs[phase];
        if (last->command == NULL) continue;
        char *status = ended_status_name(last->ended);
        text_format(state, "run %d %s %s ", last->pid, last->ended.code == 0 ? "-" : ended_code_name(last->ended.code),
                    last->ended.code == 0 ? "-" : status);
        text_add_escaped(state, last->command);
        text_add(state, "\n", 1);
        free(status);
    }
}

/* Only a oneshot has work that can be done; it is done when it has ended by itself, or stays active without a process. */
static bool has_succeeded(const struct service *service) {
    bool oneshot = service->unit != NULL && service->unit->type == TYPE_ONESHOT;
    return (oneshot && service->state == STATE_EXITED) || (service->succeeded && service->state == STATE_DEAD);
}

static void write_state(const struct service *service, struct text *state) {
    struct process own = {0};
    char *boot = boot_name();
    process_look(getpid(), &own);
    text_format(state, STATE_HEADER "\n");
    put_text(state, "boot", boot);
    put_number(state, "keeper-pid", (uint64_t)getpid());
    put_number(state, "keeper-start", own.start_ticks);
    put_text(state, "hash", service->unit == NULL ? "" : service->unit->hash);
    put_text(state, "rendered", service->unit == NULL ? "" : service->unit->rendered);
    put_text(state, "active", active_state_name(service->state));
    put_text(state, "sub", state_name(service->state));
    put_text(state, "result", result_name(service->result));
    put_number(state, "since-us", service->since_us);
    put_number(state, "restarts", service->restarts);
    put_number(state, "succeeded", has_succeeded(service));
    put_number(state, "main-pid", (uint64_t)service->main_pid);
    put_number(state, "control-pid", (uint64_t)service->control_pid);
    put_number(state, "main-started-us", service->main_started_us);
    put_number(state, "main-ended-us", service->main_ended_us);
    put_text(state, "main-code", ended_code_name(service->main_ended.code));
    put_number(state, "main-code-number", (uint64_t)service->main_ended.code);
    put_number(state, "main-status", (uint64_t)service->main_ended.status);
    put_text(state, "invocation", service->invocation);
    put_text(state, "mark", service->mark);
    put_number(state, "limit-begin-us", service->limit_begin_us);
    put_number(state, "limit-count", service->limit_count);
    put_text(state, "status-text", service->status_text);
    put_runs(state, service);
    text_format(state, "end\n");
    free(boot);
}

void state_save(struct service *service) {
    struct text state = {0};
    char *target = format_text("../../states/%s", service->name);
    write_state(service, &state);
    /* Without its directory the unit was unloaded, and nobody wants to know. */
    if (replace_file(target, "state.new", &state) || errno == ENOENT) {
        service->dirty = false;
    } else {
        if (service->save_again_us == 0) journal_note(3, "%s: The state cannot be written: %s", service->name, strerror(errno));
        service->save_again_us = monotonic_us() + SAVE_AGAIN_US;
    }
    if (!service->dirty) service->save_again_us = 0;
    free(target);
    free(state.bytes);
}

/* The value of `key`, unescaped, or NULL; to be freed. */
static char *find_value(const char *state, const char *key) {
    size_t length = strlen(key);
    for (const char *line = state; line != NULL; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, key, length) != 0 || line[length] != ' ') continue;
        char *value = copy_bytes(line + length + 1, strcspn(line + length + 1, "\n"));
        unescape_in_place(value);
        return value;
    }
    return NULL;
}

static uint64_t find_number(const char *state, const char *key) {
    char *value = find_value(state, key);
    uint64_t number = value == NULL ? 0 : parse_number(value);
    free(value);
    return number;
}

static bool has_value(const char *state, const char *key, const char *wanted) {
    char *value = find_value(state, key);
    bool same = value != NULL && strcmp(value, wanted) == 0;
    free(value);
    return same;
}

static void load_result(struct service *service, const char *state) {
    for (int result = 0; result < RESULT_COUNT; result++)
        if (has_value(state, "result", result_names[result])) service->result = (enum result)result;
    if (has_value(state, "active", "failed")) service->state = STATE_FAILED;
}

bool state_load(struct service *service, bool *was_up) {
    char *path = format_text("../../states/%s", service->name);
    char *state = read_whole_file(path, STATE_BYTES_MAX, NULL);
    free(path);
    *was_up = false;
    if (state == NULL) return false;
    char *boot = boot_name(), *mark = find_value(state, "mark");
    bool same_boot = has_value(state, "boot", boot);
    if (mark != NULL) snprintf(service->mark, sizeof service->mark, "%s", mark);
    if (same_boot) {
        service->since_us = find_number(state, "since-us");
        service->restarts = find_number(state, "restarts");
        service->flush_restarts = true;
        service->limit_begin_us = find_number(state, "limit-begin-us");
        service->limit_count = find_number(state, "limit-count");
        service->main_ended.code = (int)find_number(state, "main-code-number");
        service->main_ended.status = (int)find_number(state, "main-status");
        service->succeeded = find_number(state, "succeeded") == 1;
        load_result(service, state);
        *was_up = !has_value(state, "active", "inactive") && !has_value(state, "active", "failed");
    }
    free(boot);
    free(mark);
    free(state);
    return true;
}
