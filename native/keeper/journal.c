/* The journal of one unit; see journal.h. */
#include "journal.h"

#include "protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PRIORITY_INFO 6
#define PRIORITY_WARNING 4
#define READ_BYTES 16384
/* Reads of one pipe in one turn of the loop: a process that writes without end must not starve the others. */
#define READS_PER_TURN_MAX 16

struct stream {
    int fd;
    pid_t pid;
    char *identifier;
    char *line; /* the unfinished line */
    size_t used;
};

static struct stream *streams[STREAMS_MAX];
static size_t stream_count;
static int journal_fd = -1;
static off_t journal_bytes;
static unsigned long lost_lines;

void journal_open(void) {
    journal_fd = open("journal", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    struct stat facts;
    journal_bytes = journal_fd >= 0 && fstat(journal_fd, &facts) == 0 ? facts.st_size : 0;
}

static uint64_t wall_clock_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void rotate_when_full(void) {
    if (journal_bytes < JOURNAL_BYTES_MAX) return;
    if (journal_fd >= 0) close(journal_fd);
    rename("journal", "journal.1");
    journal_open();
}

/* Appends whole lines. What does not fit on the disk is taken back, so that the file never ends with half a line. */
static bool append(const struct text *lines) {
    if (journal_fd < 0) journal_open();
    if (journal_fd < 0) return false;
    size_t written = 0;
    while (written < lines->length) {
        ssize_t put = write(journal_fd, lines->bytes + written, lines->length - written);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) {
            if (written > 0 && ftruncate(journal_fd, journal_bytes) < 0) close(journal_fd), journal_fd = -1;
            return false;
        }
        written += (size_t)put;
    }
    journal_bytes += (off_t)written;
    rotate_when_full();
    return true;
}

static void add_line(struct text *lines, const struct stream *stream, int priority) {
    const char *message = stream->line;
    size_t length = stream->used;
    /* A line may begin with its priority, as sd-daemon(3) has it. */
    if (length >= 3 && message[0] == '<' && message[1] >= '0' && message[1] <= '7' && message[2] == '>') {
        priority = message[1] - '0';
        message += 3;
        length -= 3;
    }
    text_format(lines, "%llu\t%d\t%d\t%s\t", (unsigned long long)wall_clock_us(), stream->pid, priority, stream->identifier);
    text_add(lines, message, length);
    text_add(lines, "\n", 1);
}

static size_t count_lines(const struct text *lines) {
    size_t count = 0;
    for (size_t i = 0; i < lines->length; i++) count += lines->bytes[i] == '\n';
    return count;
}

static void write_lines(struct text *lines) {
    if (lost_lines > 0) {
        struct text missing = {0};
        text_format(&missing, "%llu\t%d\t%d\tkeeper\tThe journal could not be written; %lu lines are missing here.\n",
                    (unsigned long long)wall_clock_us(), getpid(), PRIORITY_WARNING, lost_lines);
        if (append(&missing)) lost_lines = 0;
        free(missing.bytes);
    }
    if (lines->length > 0 && !append(lines)) lost_lines += count_lines(lines);
    free(lines->bytes);
}

void journal_note(int priority, const char *format, ...) {
    char *message = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&message, format, arguments);
    va_end(arguments);
    if (length < 0) abort();
    for (char *at = message; *at != '\0'; at++)
        if (*at == '\n') *at = ' ';
    struct text lines = {0};
    struct stream own = {.pid = getpid(), .identifier = (char *)"keeper", .line = message, .used = (size_t)length};
    add_line(&lines, &own, priority);
    write_lines(&lines);
    free(message);
}

static void end_stream(size_t at) {
    struct stream *stream = streams[at];
    struct text lines = {0};
    if (stream->used > 0) add_line(&lines, stream, PRIORITY_INFO);
    if (lines.length > 0) write_lines(&lines);
    close(stream->fd);
    free(stream->identifier);
    free(stream->line);
    free(stream);
    stream_count--;
    memmove(&streams[at], &streams[at + 1], (stream_count - at) * sizeof streams[0]);
}

int journal_pipe(const char *identifier) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    /* Pipes stay while any process holds them; the oldest goes when a unit leaves too many behind. */
    if (stream_count == STREAMS_MAX) end_stream(0);
    struct stream *stream = allocate(sizeof *stream);
    *stream = (struct stream){.fd = ends[0], .identifier = copy_text(identifier), .line = malloc(JOURNAL_LINE_BYTES_MAX)};
    if (stream->line == NULL) abort();
    for (char *at = stream->identifier; *at != '\0'; at++)
        if (*at == '\t' || *at == '\n') *at = '_';
    streams[stream_count++] = stream;
    return ends[1];
}

void journal_pipe_owner(pid_t pid) {
    streams[stream_count - 1]->pid = pid;
}

static void take_bytes(struct stream *stream, const char *bytes, size_t length) {
    struct text lines = {0};
    for (size_t i = 0; i < length; i++) {
        /* A zero byte ends a line, too, as it does for journald; a line that is too long is cut into several. */
        bool ends = bytes[i] == '\n' || bytes[i] == '\0';
        if (!ends) stream->line[stream->used++] = bytes[i];
        if (!ends && stream->used < JOURNAL_LINE_BYTES_MAX) continue;
        if (stream->used > 0 || bytes[i] == '\n') add_line(&lines, stream, PRIORITY_INFO);
        stream->used = 0;
    }
    if (lines.length > 0) write_lines(&lines);
}

/* Reads a pipe; false when it has ended. */
static bool read_stream(struct stream *stream) {
    char chunk[READ_BYTES];
    for (int turn = 0; turn < READS_PER_TURN_MAX; turn++) {
        ssize_t got = read(stream->fd, chunk, sizeof chunk);
        if (got == 0) return false;
        if (got < 0) return errno == EAGAIN || errno == EINTR;
        take_bytes(stream, chunk, (size_t)got);
    }
    return true;
}

size_t journal_polls(struct pollfd *polls) {
    for (size_t i = 0; i < stream_count; i++) polls[i] = (struct pollfd){.fd = streams[i]->fd, .events = POLLIN};
    return stream_count;
}

/* Older pipes first: what is ready at the same time was mostly written in that order. */
void journal_read(const struct pollfd *polls, size_t count) {
    for (size_t i = 0, at = 0; i < count && at < stream_count; i++) {
        if (streams[at]->fd != polls[i].fd) continue;
        if (polls[i].revents != 0 && !read_stream(streams[at])) end_stream(at);
        else at++;
    }
}

void journal_drain(void) {
    for (size_t at = 0; at < stream_count;) {
        if (read_stream(streams[at])) at++;
        else end_stream(at);
    }
}
