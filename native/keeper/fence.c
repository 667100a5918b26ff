/* The process of a fence; see fence.h. */
#include "fence.h"

#include "manager.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long the first moment may take to come; a start behind a fence that nobody raises fails after it. */
#define FIRST_MOMENT_MS_MAX 10000
/* Watchdog messages in each watchdog interval. */
#define FEEDS_PER_INTERVAL 3
#define LINES_BYTES_MAX 4096
#define UPTIME_BYTES_MAX 64

struct fence {
    struct manager_socket manager;
    int fifo;
    uint64_t interval_ms; /* of the watchdog */
    uint64_t until_ms; /* 0: no moment yet */
};

static volatile sig_atomic_t stopping = 0;

static void on_stop(int signal_number) {
    (void)signal_number;
    stopping = 1;
}

/* The clock fleetd counts on, which runs through suspend. Without it every moment is over: no fence stands. */
uint64_t uptime_ms(void) {
    static int fd = -1;
    char text[UPTIME_BYTES_MAX];
    if (fd < 0) fd = open("/proc/uptime", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
    if (length <= 0) return UINT64_MAX / 2;
    text[length] = '\0';
    char *rest = NULL;
    uint64_t seconds = strtoull(text, &rest, 10);
    uint64_t hundredths = *rest == '.' ? strtoull(rest + 1, NULL, 10) : 0;
    return seconds * 1000 + hundredths * 10;
}

uint64_t fence_left_ms(const char *path) {
    char *text = read_whole_file(path, UPTIME_BYTES_MAX, NULL);
    if (text == NULL) return 0;
    uint64_t until_ms = strtoull(text, NULL, 10), now_ms = uptime_ms();
    free(text);
    return until_ms > now_ms ? until_ms - now_ms : 0;
}

/* The last message was sent while two intervals were left: frozen between looking at the clock and sending, this process
 * still lets the manager act before the moment is over, because the message before ends one interval after it was sent. */
static bool may_feed(const struct fence *fence) {
    return uptime_ms() + 2 * fence->interval_ms <= fence->until_ms;
}

static void take_line(struct fence *fence, const char *line) {
    bool raises = strncmp(line, "raise ", 6) == 0, extends = strncmp(line, "extend ", 7) == 0;
    if (!raises && !(extends && fence->until_ms > 0)) return;
    uint64_t until_ms = parse_number(strchr(line, ' ') + 1);
    if (until_ms > fence->until_ms) fence->until_ms = until_ms;
}

/* Lines are written whole: they are shorter than what a FIFO keeps together (pipe(7), PIPE_BUF). */
static void take_lines(struct fence *fence) {
    char lines[LINES_BYTES_MAX + 1];
    ssize_t length = read(fence->fifo, lines, LINES_BYTES_MAX);
    if (length <= 0) return;
    lines[length] = '\0';
    for (char *line = strtok(lines, "\n"); line != NULL; line = strtok(NULL, "\n")) take_line(fence, line);
}

static void wait_for_lines(const struct fence *fence, uint64_t limit_ms) {
    struct pollfd ready = {.fd = fence->fifo, .events = POLLIN};
    poll(&ready, 1, (int)limit_ms);
}

static int fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    return 1;
}

static int stand(struct fence *fence) {
    const uint64_t step_ms = fence->interval_ms / FEEDS_PER_INTERVAL;
    while (!stopping) {
        if (uptime_ms() > fence->until_ms) return fail("this machine was not certain to belong to the cluster for too long");
        if (may_feed(fence)) manager_send(&fence->manager, "WATCHDOG=1", 0);
        wait_for_lines(fence, step_ms > 0 ? step_ms : 1);
        take_lines(fence);
    }
    return 0;
}

int fence_run(const char *path) {
    struct fence fence = {.fifo = -1};
    const char *interval_us = getenv("WATCHDOG_USEC");
    if (interval_us == NULL) return fail("a fence needs WATCHDOG_USEC");
    fence.interval_ms = parse_number(interval_us) / 1000;
    if (!manager_open(&fence.manager)) return 1;
    if (mkfifo(path, 0600) < 0 && errno != EEXIST) return fail(strerror(errno));
    fence.fifo = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fence.fifo < 0) return fail(strerror(errno));
    signal(SIGTERM, on_stop);
    signal(SIGPIPE, SIG_IGN);
    mlockall(MCL_CURRENT | MCL_FUTURE); /* Reading a page from a slow disk may take longer than an interval. */
    const uint64_t give_up_ms = uptime_ms() + FIRST_MOMENT_MS_MAX;
    while (!stopping && !may_feed(&fence)) {
        uint64_t now_ms = uptime_ms();
        if (now_ms >= give_up_ms) return fail("fleetd has not raised this fence: the machine is not certain to belong to the cluster");
        wait_for_lines(&fence, give_up_ms - now_ms);
        take_lines(&fence);
    }
    if (stopping) return 0;
    manager_send(&fence.manager, "READY=1\nSTATUS=Units bound to this fence may run.", 0);
    return stand(&fence);
}
