/* Starts one command of a unit in a process of its own. */
#include "child.h"
#include "journal.h"
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const phase_settings[] = {
    "ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost"};

/* A required environment file that cannot be read fails the start before any process is made, as with systemd. */
static bool environment_files_are_there(const struct service *service) {
    const struct words *files = &service->unit->environment_files;
    for (size_t i = 0; i < files->count; i++) {
        if (files->items[i][0] == '-' || access(files->items[i], R_OK) == 0) continue;
        journal_note(3, "%s: Failed to load environment file %s: %s", service->name, files->items[i], strerror(errno));
        return false;
    }
    return true;
}

static void add_outcome(const struct service *service, struct words *facts) {
    words_add(facts, format_text("SERVICE_RESULT=%s", result_name(service->result)));
    if (service->main_ended.code == 0) return;
    words_add(facts, format_text("EXIT_CODE=%s", ended_code_name(service->main_ended.code)));
    char *status = ended_status_name(service->main_ended);
    const char *slash = strchr(status, '/');
    /* A signal is told by its name, an exit status by its number (systemd.exec(5)). */
    bool by_name = service->main_ended.code != CLD_EXITED && slash != NULL;
    words_add(facts, format_text("EXIT_STATUS=%.*s", (int)(by_name ? strlen(slash + 1) : strcspn(status, "/")),
                                 by_name ? slash + 1 : status));
    free(status);
}

static void collect_facts(const struct service *service, enum phase phase, struct words *facts) {
    const struct unit *unit = service->unit;
    words_add(facts, format_text("INVOCATION_ID=%s", service->invocation));
    words_add(facts, format_text("%s=%s", MARK_VARIABLE, service->mark));
    if (service->main_pid > 0) words_add(facts, format_text("MAINPID=%d", service->main_pid));
    if (unit->pid_file != NULL) words_add(facts, format_text("PIDFILE=%s", unit->pid_file));
    if (unit->notify_access != NOTIFY_ACCESS_NONE) words_add(facts, format_text("NOTIFY_SOCKET=%s", service->notify_socket));
    if (phase == PHASE_START && service->watchdog_us > 0)
        words_add(facts, format_text("WATCHDOG_USEC=%llu", (unsigned long long)service->watchdog_us));
    if (phase == PHASE_STOP || phase == PHASE_STOP_POST) add_outcome(service, facts);
}

static void remember_run(struct service *service, const struct command *command, enum phase phase, pid_t pid) {
    struct last_run *last = &service->last_runs[phase];
    struct text words = {0};
    text_format(&words, "%s=%s", phase_settings[phase], command->path);
    for (size_t i = 1; i < command->arguments.count; i++) text_format(&words, " %s", command->arguments.items[i]);
    free(last->command);
    *last = (struct last_run){.pid = pid, .command = words.bytes};
}

/* Returns the process, or -1 when none could be made; the reason is then in the journal. */
pid_t launch(struct service *service, const struct command *command, enum phase phase, int *verdict_fd) {
    if (!environment_files_are_there(service)) return -1;
    const char *slash = strrchr(command->path, '/');
    const char *own_name = slash != NULL ? slash + 1 : command->path;
    int verdict[2] = {-1, -1}; /* made only for who wants to know: the child must not write to a pipe that nobody reads */
    int journal = journal_pipe(*service->unit->identifier != '\0' ? service->unit->identifier : own_name);
    if (journal < 0 || (verdict_fd != NULL && pipe2(verdict, O_CLOEXEC) < 0)) {
        journal_note(3, "%s: Failed to make a pipe: %s", service->name, strerror(errno));
        if (journal >= 0) close(journal);
        return -1;
    }
    struct words facts = {0};
    collect_facts(service, phase, &facts);
    pid_t pid = fork();
    if (pid == 0) {
        const struct run run = {
            .unit = service->unit, .command = command, .facts = &facts, .journal = journal, .verdict = verdict[1],
            .watchdog = phase == PHASE_START && service->watchdog_us > 0, .oom_score_adjust = service->oom_score_adjust};
        child_run(&run);
    }
    int why = errno;
    words_clear(&facts);
    close(journal);
    if (verdict[1] >= 0) close(verdict[1]);
    if (pid < 0) {
        journal_note(3, "%s: Failed to fork: %s", service->name, strerror(why));
        if (verdict[0] >= 0) close(verdict[0]);
        return -1;
    }
    journal_pipe_owner(pid);
    remember_run(service, command, phase, pid);
    if (verdict_fd != NULL) *verdict_fd = verdict[0];
    service->dirty = true;
    return pid;
}
