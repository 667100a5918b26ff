/* Instructions from their file; see instructions.h and protocol.h. */
#include "instructions.h"

#include "protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, NUMBER, WORDS, STATUSES, CHOICE };

struct setting {
    const char *key;
    enum kind kind;
    size_t offset;
    const char *const *choices; /* names of the values 0, 1, 2 ... of a CHOICE */
};

static const char *const type_names[] = {"simple", "exec", "oneshot", "notify", "forking", NULL};
static const char *const restart_names[] = {
    "no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always", NULL};
static const char *const kill_mode_names[] = {"control-group", "mixed", "process", "none", NULL};
static const char *const notify_access_names[] = {"none", "main", "exec", "all", NULL};
static const char *const yes_no[] = {"no", "yes", NULL};
static const char *const phase_names[] = {"condition", "start-pre", "start", "start-post", "reload", "stop", "stop-post", NULL};

#define AT(field) offsetof(struct unit, field)
static const struct setting settings[] = {
    {"name", TEXT, AT(name), NULL},
    {"hash", TEXT, AT(hash), NULL},
    {"rendered", TEXT, AT(rendered), NULL},
    {"user", TEXT, AT(user), NULL},
    {"group", TEXT, AT(group), NULL},
    {"supplementary-groups", WORDS, AT(supplementary_groups), NULL},
    {"pid-file", TEXT, AT(pid_file), NULL},
    {"working-directory", TEXT, AT(working_directory), NULL},
    {"directories", WORDS, AT(directories), NULL},
    {"identifier", TEXT, AT(identifier), NULL},
    {"output", TEXT, AT(output), NULL},
    {"error", TEXT, AT(error), NULL},
    {"fence", TEXT, AT(fence), NULL},
    {"type", CHOICE, AT(type), type_names},
    {"restart", CHOICE, AT(restart), restart_names},
    {"kill-mode", CHOICE, AT(kill_mode), kill_mode_names},
    {"notify-access", CHOICE, AT(notify_access), notify_access_names},
    {"remain-after-exit", CHOICE, AT(remain_after_exit), yes_no},
    {"guess-main-pid", CHOICE, AT(guess_main_pid), yes_no},
    {"send-sigkill", CHOICE, AT(send_sigkill), yes_no},
    {"send-sighup", CHOICE, AT(send_sighup), yes_no},
    {"ignore-sigpipe", CHOICE, AT(ignore_sigpipe), yes_no},
    {"no-new-privileges", CHOICE, AT(no_new_privileges), yes_no},
    {"restart-us", NUMBER, AT(restart_us), NULL},
    {"timeout-start-us", NUMBER, AT(timeout_start_us), NULL},
    {"timeout-stop-us", NUMBER, AT(timeout_stop_us), NULL},
    {"runtime-max-us", NUMBER, AT(runtime_max_us), NULL},
    {"watchdog-us", NUMBER, AT(watchdog_us), NULL},
    {"limit-interval-us", NUMBER, AT(limit_interval_us), NULL},
    {"limit-burst", NUMBER, AT(limit_burst), NULL},
    {"kill-signal", NUMBER, AT(kill_signal), NULL},
    {"restart-kill-signal", NUMBER, AT(restart_kill_signal), NULL},
    {"final-kill-signal", NUMBER, AT(final_kill_signal), NULL},
    {"watchdog-signal", NUMBER, AT(watchdog_signal), NULL},
    {"umask", NUMBER, AT(umask), NULL},
    {"nice", TEXT, AT(nice), NULL},
    {"oom-score-adjust", TEXT, AT(oom_score_adjust), NULL},
    {"environment", WORDS, AT(environment), NULL},
    {"environment-files", WORDS, AT(environment_files), NULL},
    {"pass-environment", WORDS, AT(pass_environment), NULL},
    {"unset-environment", WORDS, AT(unset_environment), NULL},
    {"success", STATUSES, AT(success), NULL},
    {"prevent-restart", STATUSES, AT(prevent_restart), NULL},
    {"force-restart", STATUSES, AT(force_restart), NULL},
};

static const struct {
    const char *name;
    int resource;
} resources[] = {
    {"CPU", RLIMIT_CPU}, {"FSIZE", RLIMIT_FSIZE}, {"DATA", RLIMIT_DATA}, {"STACK", RLIMIT_STACK}, {"CORE", RLIMIT_CORE},
    {"RSS", RLIMIT_RSS}, {"NOFILE", RLIMIT_NOFILE}, {"AS", RLIMIT_AS}, {"NPROC", RLIMIT_NPROC}, {"MEMLOCK", RLIMIT_MEMLOCK},
    {"LOCKS", RLIMIT_LOCKS}, {"SIGPENDING", RLIMIT_SIGPENDING}, {"MSGQUEUE", RLIMIT_MSGQUEUE}, {"NICE", RLIMIT_NICE},
    {"RTPRIO", RLIMIT_RTPRIO}, {"RTTIME", RLIMIT_RTTIME},
};

static int choice_of(const char *const *names, const char *name) {
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}

/* Entries are exit statuses ("75") and signals ("s15"). */
static void add_statuses(struct status_set *set, const struct words *fields) {
    for (size_t i = 1; i < fields->count; i++) {
        const char *entry = fields->items[i];
        uint64_t number = parse_number(entry[0] == 's' ? entry + 1 : entry);
        if (entry[0] == 's' && number < 65) set->signals[number] = true;
        if (entry[0] != 's' && number < 256) set->statuses[number] = true;
    }
}

static bool apply_setting(struct unit *unit, const struct setting *setting, const struct words *fields) {
    void *at = (char *)unit + setting->offset;
    const char *value = fields->count > 1 ? fields->items[1] : "";
    switch (setting->kind) {
    case TEXT:
        free(*(char **)at);
        *(char **)at = copy_text(value);
        return true;
    case NUMBER:
        *(uint64_t *)at = parse_number(value);
        return true;
    case WORDS:
        for (size_t i = 1; i < fields->count; i++) words_add(at, copy_text(fields->items[i]));
        return true;
    case STATUSES:
        add_statuses(at, fields);
        return true;
    case CHOICE: {
        int choice = choice_of(setting->choices, value);
        if (choice >= 0) *(uint64_t *)at = (uint64_t)choice;
        return choice >= 0;
    }
    }
    return false;
}

/* exec PHASE PREFIXES PATH ARGV0 ARGV1 ... */
static bool apply_exec(struct unit *unit, const struct words *fields) {
    int phase = fields->count > 4 ? choice_of(phase_names, fields->items[1]) : -1;
    if (phase < 0) return false;
    struct command *command = allocate(sizeof *command);
    command->ignore_failure = strchr(fields->items[2], '-') != NULL;
    command->no_expansion = strchr(fields->items[2], ':') != NULL;
    command->privileged = strpbrk(fields->items[2], "+!") != NULL;
    command->path = copy_text(fields->items[3]);
    for (size_t i = 4; i < fields->count; i++) words_add(&command->arguments, copy_text(fields->items[i]));
    struct command **last = &unit->commands[phase];
    while (*last != NULL) last = &(*last)->next;
    *last = command;
    return true;
}

static rlim_t parse_limit(const char *text) {
    return strcmp(text, "infinity") == 0 ? RLIM_INFINITY : (rlim_t)parse_number(text);
}

/* limit NAME SOFT HARD */
static bool apply_limit(struct unit *unit, const struct words *fields) {
    for (size_t i = 0; fields->count == 4 && i < sizeof resources / sizeof resources[0]; i++) {
        if (strcmp(resources[i].name, fields->items[1]) != 0) continue;
        struct resource_limit *limit = allocate(sizeof *limit);
        limit->resource = resources[i].resource;
        limit->limit = (struct rlimit){parse_limit(fields->items[2]), parse_limit(fields->items[3])};
        limit->next = unit->limits;
        unit->limits = limit;
        return true;
    }
    return false;
}

static bool apply_line(struct unit *unit, const struct words *fields) {
    const char *key = fields->items[0];
    if (strcmp(key, "exec") == 0) return apply_exec(unit, fields);
    if (strcmp(key, "limit") == 0) return apply_limit(unit, fields);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (strcmp(settings[i].key, key) == 0) return apply_setting(unit, &settings[i], fields);
    return false;
}

static void split_fields(char *line, struct words *fields) {
    char *field;
    while ((field = strsep(&line, "\t")) != NULL) {
        unescape_in_place(field);
        words_add(fields, copy_text(field));
    }
}

/* Applies all lines; returns the first line that is not understood, or NULL when all is well and the end was seen. */
static const char *apply_lines(struct unit *unit, char *content) {
    char *line = strsep(&content, "\n");
    if (line == NULL || strcmp(line, INSTRUCTIONS_HEADER) != 0) return "(header)";
    while ((line = strsep(&content, "\n")) != NULL) {
        if (strcmp(line, "end") == 0) return NULL;
        struct words fields = {0};
        split_fields(line, &fields);
        bool understood = apply_line(unit, &fields);
        words_clear(&fields);
        if (!understood) return line;
    }
    return "(end)";
}

struct unit *unit_read(const char *path, char **why) {
    char *content = read_whole_file(path, INSTRUCTIONS_BYTES_MAX, NULL);
    if (content == NULL) {
        *why = format_text("cannot read the instructions: %s", strerror(errno));
        return NULL;
    }
    struct unit *unit = allocate(sizeof *unit);
    const char *wrong = apply_lines(unit, content);
    if (wrong == NULL && (unit->name == NULL || unit->identifier == NULL || unit->output == NULL || unit->error == NULL))
        wrong = "(a setting is missing)";
    if (wrong != NULL) {
        *why = format_text("the instructions are not whole at: %.80s", wrong);
        unit_free(unit);
        unit = NULL;
    }
    free(content);
    return unit;
}

void unit_free(struct unit *unit) {
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        void *at = (char *)unit + settings[i].offset;
        if (settings[i].kind == TEXT) free(*(char **)at);
        if (settings[i].kind == WORDS) words_clear(at);
    }
    for (int phase = 0; phase < PHASE_COUNT; phase++) {
        struct command *next;
        for (struct command *command = unit->commands[phase]; command != NULL; command = next) {
            next = command->next;
            free(command->path);
            words_clear(&command->arguments);
            free(command);
        }
    }
    struct resource_limit *next_limit;
    for (struct resource_limit *limit = unit->limits; limit != NULL; limit = next_limit) {
        next_limit = limit->next;
        free(limit);
    }
    free(unit);
}
