/* What a unit's processes write, kept line by line in a bounded file.
 * A line of the file: MICROSECONDS-SINCE-EPOCH tab PID tab PRIORITY tab IDENTIFIER tab MESSAGE. */
#ifndef KEEPER_JOURNAL_H
#define KEEPER_JOURNAL_H

#include "text.h"

struct pollfd;

/* Opens the journal in the current directory. A journal that cannot be written (a full disk) loses lines, counts them,
 * and says how many once it can be written again; it never stops the unit. */
void journal_open(void);
/* Writes a line of the keeper's own. */
void journal_note(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A pipe whose lines are written down under `identifier`; returns the end to write to, -1 with errno set. */
int journal_pipe(const char *identifier);
/* Names the process whose lines come through the pipe made last. */
void journal_pipe_owner(pid_t pid);
/* Adds the pipes to be read to `polls`, returns how many. */
size_t journal_polls(struct pollfd *polls);
/* Reads the pipes that have something to say. */
void journal_read(const struct pollfd *polls, size_t count);
/* Reads what is left in all pipes, without waiting, and closes those that have ended. */
void journal_drain(void);

#endif
