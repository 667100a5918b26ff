/* Text and memory. A keeper that runs out of memory aborts: there is nothing sensible left to do, and its unit's
 * processes go on, found again by their mark. */
#ifndef KEEPER_TEXT_H
#define KEEPER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A list of words; `items` ends with NULL as execve(2) wants it. The list owns its words. */
struct words {
    char **items;
    size_t count;
    size_t capacity;
};

/* Growing text, always terminated. */
struct text {
    char *bytes;
    size_t length;
    size_t capacity;
};

void *allocate(size_t bytes); /* zeroed */
char *copy_text(const char *text);
char *copy_bytes(const char *bytes, size_t length);
char *format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t parse_number(const char *text); /* decimal; garbage is 0 */

void words_add(struct words *words, char *owned);
void words_clear(struct words *words);

void text_add(struct text *text, const char *bytes, size_t length);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_escaped(struct text *text, const char *value);

/* Undoes the escapes of protocol.h in place. */
void unescape_in_place(char *text);

/* Reads a whole file of at most `bytes_max`; returns NULL with errno set (EFBIG when it is larger). */
char *read_whole_file(const char *path, size_t bytes_max, size_t *length);
/* Replaces `target` by temp + rename; false with errno set, `target` is then unchanged. */
bool replace_file(const char *target, const char *temporary, const struct text *content);
/* Removes blanks at both ends in place and returns the new beginning. */
char *trim_in_place(char *text);

#endif
