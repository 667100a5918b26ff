/* The keeper's modes, and how it gets into the background; see protocol.h. */
#include "control.h"
#include "fence.h"
#include "journal.h"
#include "loop.h"
#include "relay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Keepers are small and their loss is costly: the kernel shall look for memory elsewhere first. */
#define KEEPER_OOM_SCORE "-900"
#define REPORT_BYTES_MAX 512

static void close_inherited(int keep) {
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        int fd = atoi(entry->d_name);
        if (fd > STDERR_FILENO && fd != keep && fd != dirfd(directory)) close(fd);
    }
    if (directory != NULL) closedir(directory);
}

static void point_to_null(void) {
    int null = open("/dev/null", O_RDWR);
    if (null < 0) return;
    for (int fd = 0; fd <= STDERR_FILENO; fd++) dup2(null, fd);
    if (null > STDERR_FILENO) close(null);
}

/* Tells the waiting starter how it went: "ok", "busy", or a reason. */
static void report(int fd, const char *text) {
    ssize_t sent = write(fd, text, strlen(text));
    (void)sent;
    close(fd);
}

static int hear_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The lock says that this unit has a keeper. It dies with the process and is not inherited, unlike one of flock(2). */
static bool take_lock(void) {
    int fd = open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fd >= 0 && fcntl(fd, F_SETLK, &whole) == 0;
}

static void new_mark(char *mark) {
    unsigned char random[16];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) abort();
    for (size_t i = 0; i < sizeof random; i++) sprintf(mark + 2 * i, "%02x", random[i]);
}

static char *guard_against_oom(void) {
    char *before = read_whole_file("/proc/self/oom_score_adj", 64, NULL);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return before;
    ssize_t written = write(fd, KEEPER_OOM_SCORE, strlen(KEEPER_OOM_SCORE));
    (void)written; /* only root may lower it */
    close(fd);
    return before;
}

/* The last keeper was killed: nobody knows how its processes ended, and those that run on must go before others start. */
static void clear_leftovers(struct service *service) {
    char *why = NULL;
    service->unit = unit_read("instructions", &why);
    free(why);
    service->result = RESULT_KEEPER_LOST;
    service->forbid_restart = true;
    service->state = STATE_FAILED;
    service->since_us = wall_us();
    service->dirty = true;
    journal_note(4, "%s: The keeper of this unit was killed; how its processes ended is not known.", service->name);
    if (service->unit == NULL) return;
    enum kill_mode mode = (enum kill_mode)service->unit->kill_mode;
    service->clearing = mode == KILL_CONTROL_GROUP || mode == KILL_MIXED;
    if (!service->clearing) return;
    service->state = STATE_FINAL_SIGTERM;
    service_enter_signal(service, STATE_FINAL_SIGTERM, RESULT_KEEPER_LOST);
}

static void keep(const char *name, const char *command, int reports) {
    struct service service = {
        .name = name, .main_pidfd = -1, .verdict_fd = -1, .deadline_us = TIME_INFINITY, .watchdog_deadline_us = TIME_INFINITY,
        .look_again_us = TIME_INFINITY, .fence_look_us = TIME_INFINITY, .runtime_deadline_us = TIME_INFINITY, .main_pid_known = true};
    bool was_up = false;
    struct ears ears = {.signals = hear_signals(), .control = control_open(), .notify = -1};
    if (ears.signals < 0 || ears.control < 0) {
        report(reports, strerror(errno));
        return;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    service.oom_score_adjust = guard_against_oom();
    journal_open();
    state_load(&service, &was_up);
    service.dirty = true;
    if (service.mark[0] == '\0') new_mark(service.mark);
    ears.notify = notify_open(&service);
    /* A state that cannot be written now (a full disk) is a reason not to begin; later it is only tried again. What a
     * killed keeper left is not overwritten before it has been dealt with. */
    if (!was_up) state_save(&service);
    if (service.dirty && !was_up) {
        report(reports, "the state file cannot be written; is the disk full?");
        return;
    }
    if (was_up) clear_leftovers(&service);
    const char *refusal = service_command(&service, command);
    if (service.dirty) state_save(&service);
    report(reports, refusal != NULL ? refusal : "ok");
    loop_run(&service, &ears);
    unlink("control");
}

/* Becomes a process of its own session whose parent is init, so that it outlives fleetd. */
static void become_keeper(char **arguments, int reports) {
    const char *directory = arguments[0], *name = arguments[1], *command = arguments[2];
    setsid();
    if (fork() != 0) _exit(0);
    umask(0022);
    point_to_null();
    close_inherited(reports);
    char *path = format_text("%s/units/%s", directory, name);
    if (chdir(path) < 0) report(reports, strerror(errno));
    else if (!take_lock()) report(reports, "busy");
    else keep(name, command, reports);
    _exit(0);
}

static int start_keeper(char **arguments) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return 1;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        become_keeper(arguments, ends[1]);
    }
    close(ends[1]);
    if (pid > 0) waitpid(pid, NULL, 0);
    char report_text[REPORT_BYTES_MAX];
    ssize_t length = pid > 0 ? read(ends[0], report_text, sizeof report_text - 1) : 0;
    report_text[length > 0 ? length : 0] = '\0';
    if (strcmp(report_text, "ok") == 0) return 0;
    if (strcmp(report_text, "busy") == 0) return EXIT_BUSY;
    fprintf(stderr, "%s\n", *report_text == '\0' ? "the keeper ended while it started" : report_text);
    return 1;
}

int main(int count, char **arguments) {
    if (count == 5 && strcmp(arguments[1], "unit") == 0) return start_keeper(arguments + 2);
    if (count == 2 && strcmp(arguments[1], "notify") == 0) return relay_run();
    if (count == 3 && strcmp(arguments[1], "fence") == 0) return fence_run(arguments[2]);
    fprintf(stderr, "usage: keeper unit STATE-DIRECTORY NAME COMMAND | keeper notify | keeper fence FIFO\n");
    return 2;
}
