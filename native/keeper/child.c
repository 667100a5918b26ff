/* Between fork and exec; see child.h. Memory is never freed here: the process image is about to be replaced. */
#include "child.h"

#include "environment.h"
#include "identity.h"
#include "protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* systemd's DEFAULT_PATH on a system that is not merged; a merged one finds the same files. */
static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

extern char **environ;

static _Noreturn void fail(const struct run *run, enum exec_failure status, const char *step) {
    int why = errno;
    dprintf(STDERR_FILENO, "<3>%s: Failed at step %s spawning %s: %s\n", run->unit->name, step, run->command->path, strerror(why));
    ssize_t ignored = write(run->verdict, "!", 1);
    (void)ignored;
    _exit(status);
}

static void reset_signals(const struct unit *unit) {
    struct sigaction defaults = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) sigaction(number, &defaults, NULL);
    if (unit->ignore_sigpipe) signal(SIGPIPE, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Opens what StandardOutput= or StandardError= names; -1 with errno set when it cannot be opened. */
static int open_output(const struct run *run, const char *where) {
    if (strcmp(where, "null") == 0) return open("/dev/null", O_WRONLY);
    const char *path = strchr(where, ':');
    if (path == NULL) return dup(run->journal);
    int how = strncmp(where, "append:", 7) == 0 ? O_APPEND : strncmp(where, "truncate:", 9) == 0 ? O_TRUNC : 0;
    return open(path + 1, O_WRONLY | O_CREAT | O_NOCTTY | how, 0644);
}

static void connect_output(const struct run *run) {
    int error = strcmp(run->unit->error, "inherit") == 0 ? -2 : open_output(run, run->unit->error);
    int output = open_output(run, run->unit->output);
    /* Until the outputs stand, complaints go to the journal. */
    dup2(run->journal, STDERR_FILENO);
    if (output < 0 || dup2(output, STDOUT_FILENO) < 0) fail(run, EXEC_STDOUT, "STDOUT");
    if (error == -1 || dup2(error == -2 ? output : error, STDERR_FILENO) < 0) fail(run, EXEC_STDERR, "STDERR");
    if (output > STDERR_FILENO) close(output);
    if (error > STDERR_FILENO) close(error);
    int input = open("/dev/null", O_RDONLY);
    if (input < 0 || dup2(input, STDIN_FILENO) < 0) fail(run, EXEC_STDIN, "STDIN");
    if (input > STDERR_FILENO) close(input);
}

static bool write_own_file(const char *path, const char *value) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool written = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
    close(fd);
    return written;
}

static void apply_limits(const struct run *run) {
    const struct unit *unit = run->unit;
    for (const struct resource_limit *limit = unit->limits; limit != NULL; limit = limit->next)
        if (setrlimit((__rlimit_resource_t)limit->resource, &limit->limit) < 0) fail(run, EXEC_LIMITS, "LIMITS");
    const char *score = unit->oom_score_adjust != NULL ? unit->oom_score_adjust : run->oom_score_adjust;
    if (score != NULL && !write_own_file("/proc/self/oom_score_adj", score) && unit->oom_score_adjust != NULL)
        fail(run, EXEC_OOM_ADJUST, "OOM_ADJUST");
    if (unit->nice != NULL && setpriority(PRIO_PROCESS, 0, atoi(unit->nice)) < 0) fail(run, EXEC_NICE, "NICE");
    umask((mode_t)unit->umask);
}

/* RuntimeDirectory= and its kin, each as "MODE PATH": made with their parents, owned by the unit's user. */
static void make_directories(const struct run *run, const struct identity *identity) {
    for (size_t i = 0; i < run->unit->directories.count; i++) {
        char *path;
        mode_t mode = (mode_t)strtoul(run->unit->directories.items[i], &path, 8);
        path++;
        for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
            *slash = '\0';
            mkdir(path, 0755);
            *slash = '/';
        }
        bool there = mkdir(path, mode) == 0 || errno == EEXIST;
        bool ours = geteuid() != 0 || (chmod(path, mode) == 0 && chown(path, identity->uid, identity->gid) == 0);
        if (!there || !ours) fail(run, EXEC_RUNTIME_DIRECTORY, "RUNTIME_DIRECTORY");
    }
}

static void become(const struct run *run, const struct identity *identity) {
    const struct unit *unit = run->unit;
    /* A unit that asks for nothing is left as it is: in a container of an ordinary user even root may not set groups. */
    bool asks = unit->user != NULL || unit->group != NULL || unit->supplementary_groups.count > 0;
    bool is_it = geteuid() != 0 && identity->uid == geteuid() && identity->gid == getegid();
    if (!asks || is_it || run->command->privileged) return;
    /* The unit's user may open its own output again through /dev/stdout. */
    if (fchown(run->journal, identity->uid, identity->gid) < 0 && geteuid() == 0) fail(run, EXEC_STDOUT, "STDOUT");
    if (setgroups(identity->group_count, identity->groups) < 0) fail(run, EXEC_GROUP, "GROUP");
    if (setresgid(identity->gid, identity->gid, identity->gid) < 0) fail(run, EXEC_GROUP, "GROUP");
    if (setresuid(identity->uid, identity->uid, identity->uid) < 0) fail(run, EXEC_USER, "USER");
}

static void enter_working_directory(const struct run *run, const struct identity *identity) {
    const char *wanted = run->unit->working_directory;
    /* A service manager of a user begins in the home directory, the system's in the root (systemd.exec(5)). */
    if (wanted == NULL) wanted = geteuid() == 0 || identity->home == NULL ? "-/" : "-~";
    bool optional = *wanted == '-';
    if (optional) wanted++;
    if (strcmp(wanted, "~") == 0) wanted = identity->home != NULL ? identity->home : "/";
    if (chdir(wanted) == 0) return;
    if (!optional) fail(run, EXEC_CHDIR, "CHDIR");
    if (chdir("/") < 0) fail(run, EXEC_CHDIR, "CHDIR");
}

static void set_pair(struct words *environment, const char *name, const char *value) {
    if (value != NULL && *value != '\0') environment_set(environment, format_text("%s=%s", name, value));
}

static void build_environment(const struct run *run, const struct identity *identity, struct words *environment) {
    const struct unit *unit = run->unit;
    const char *own_path = geteuid() != 0 ? getenv("PATH") : NULL;
    set_pair(environment, "PATH", own_path != NULL ? own_path : default_path);
    set_pair(environment, "LANG", getenv("LANG"));
    if (unit->user != NULL || geteuid() != 0) {
        set_pair(environment, "HOME", identity->home);
        set_pair(environment, "LOGNAME", identity->name);
        set_pair(environment, "USER", identity->name);
        set_pair(environment, "SHELL", identity->shell);
    }
    for (size_t i = 0; i < run->facts->count; i++) environment_set(environment, copy_text(run->facts->items[i]));
    if (run->watchdog) environment_set(environment, format_text("WATCHDOG_PID=%d", getpid()));
    environment_set(environment, format_text("SYSTEMD_EXEC_PID=%d", getpid()));
    for (size_t i = 0; i < unit->pass_environment.count; i++)
        set_pair(environment, unit->pass_environment.items[i], getenv(unit->pass_environment.items[i]));
    for (size_t i = 0; i < unit->environment.count; i++) environment_set(environment, copy_text(unit->environment.items[i]));
    for (size_t i = 0; i < unit->environment_files.count; i++) {
        const char *path = unit->environment_files.items[i];
        bool optional = *path == '-';
        if (!environment_read_file(environment, path + optional) && !optional) fail(run, EXEC_MEMORY, "ENVIRONMENT");
    }
    for (size_t i = 0; i < unit->unset_environment.count; i++) environment_unset(environment, unit->unset_environment.items[i]);
}

/* The file to run: an absolute path as it is, a simple name looked for in the search path. */
static char *find_executable(const char *path) {
    if (strchr(path, '/') != NULL) return copy_text(path);
    const char *own_path = geteuid() != 0 ? getenv("PATH") : NULL;
    char *rest = copy_text(own_path != NULL ? own_path : default_path), *directory;
    while ((directory = strsep(&rest, ":")) != NULL) {
        char *candidate = format_text("%s/%s", directory, path);
        if (access(candidate, X_OK) == 0) return candidate;
    }
    return copy_text(path);
}

_Noreturn void child_run(const struct run *run) {
    reset_signals(run->unit);
    setsid();
    connect_output(run);
    char *executable = find_executable(run->command->path);
    struct identity identity;
    const struct unit *unit = run->unit;
    enum identity_failure missing = identity_find(unit->user, unit->group, &unit->supplementary_groups, &identity);
    errno = ENOENT;
    if (missing == IDENTITY_NO_USER) fail(run, EXEC_USER, "USER");
    if (missing == IDENTITY_NO_GROUP) fail(run, EXEC_GROUP, "GROUP");
    struct words environment = {0}, arguments = {0};
    build_environment(run, &identity, &environment);
    words_add(&arguments, NULL);
    arguments.count = 0;
    if (run->command->no_expansion) arguments = run->command->arguments;
    else expand_arguments(&run->command->arguments, &environment, &arguments);
    make_directories(run, &identity);
    apply_limits(run);
    become(run, &identity);
    enter_working_directory(run, &identity);
    if (unit->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) fail(run, EXEC_NO_NEW_PRIVILEGES, "NO_NEW_PRIVILEGES");
    /* The keeper is what stops a fenced unit: without it the unit must not run. Cleared by a change of user, so set last. */
    if (unit->fence != NULL) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    execve(executable, arguments.items, environment.items);
    fail(run, EXEC_EXEC, "EXEC");
}
