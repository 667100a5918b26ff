/* Text and memory; see text.h. */
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *allocate(size_t bytes) {
    void *memory = calloc(1, bytes);
    if (memory == NULL) abort();
    return memory;
}

char *copy_bytes(const char *bytes, size_t length) {
    char *copy = allocate(length + 1);
    memcpy(copy, bytes, length);
    return copy;
}

char *copy_text(const char *text) {
    return copy_bytes(text, strlen(text));
}

char *format_text(const char *format, ...) {
    char *made = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&made, format, arguments);
    va_end(arguments);
    if (length < 0) abort();
    return made;
}

uint64_t parse_number(const char *text) {
    if (*text < '0' || *text > '9') return 0;
    return strtoull(text, NULL, 10);
}

void words_add(struct words *words, char *owned) {
    if (words->count + 2 > words->capacity) {
        words->capacity = words->capacity == 0 ? 8 : words->capacity * 2;
        words->items = realloc(words->items, words->capacity * sizeof *words->items);
        if (words->items == NULL) abort();
    }
    words->items[words->count++] = owned;
    words->items[words->count] = NULL;
}

void words_clear(struct words *words) {
    for (size_t i = 0; i < words->count; i++) free(words->items[i]);
    free(words->items);
    *words = (struct words){0};
}

void text_add(struct text *text, const char *bytes, size_t length) {
    if (text->length + length + 1 > text->capacity) {
        while (text->length + length + 1 > text->capacity) text->capacity = text->capacity == 0 ? 256 : text->capacity * 2;
        text->bytes = realloc(text->bytes, text->capacity);
        if (text->bytes == NULL) abort();
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void text_format(struct text *text, const char *format, ...) {
    char *made = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&made, format, arguments);
    va_end(arguments);
    if (length < 0) abort();
    text_add(text, made, (size_t)length);
    free(made);
}

void text_add_escaped(struct text *text, const char *value) {
    for (; *value != '\0'; value++) {
        if (*value == '\\') text_add(text, "\\\\", 2);
        else if (*value == '\n') text_add(text, "\\n", 2);
        else if (*value == '\t') text_add(text, "\\t", 2);
        else text_add(text, value, 1);
    }
}

void unescape_in_place(char *text) {
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from != '\\' || from[1] == '\0') {
            *to++ = *from;
            continue;
        }
        from++;
        *to++ = *from == 'n' ? '\n' : *from == 't' ? '\t' : *from;
    }
    *to = '\0';
}

char *read_whole_file(const char *path, size_t bytes_max, size_t *length) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    struct text content = {0};
    text_add(&content, "", 0);
    char chunk[4096];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0 && content.length <= bytes_max) text_add(&content, chunk, (size_t)got);
    int failed = got < 0 ? errno : content.length > bytes_max ? EFBIG : 0;
    close(fd);
    if (failed != 0) {
        free(content.bytes);
        errno = failed;
        return NULL;
    }
    if (length != NULL) *length = content.length;
    return content.bytes;
}

bool replace_file(const char *target, const char *temporary, const struct text *content) {
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return false;
    size_t written = 0;
    while (written < content->length) {
        ssize_t put = write(fd, content->bytes + written, content->length - written);
        if (put < 0 && errno != EINTR) break;
        if (put > 0) written += (size_t)put;
    }
    int failed = written < content->length ? errno : 0;
    if (close(fd) < 0 && failed == 0) failed = errno;
    if (failed == 0 && rename(temporary, target) < 0) failed = errno;
    if (failed == 0) return true;
    unlink(temporary);
    errno = failed;
    return false;
}

char *trim_in_place(char *text) {
    const char *blanks = " \t\r\n";
    text += strspn(text, blanks);
    size_t length = strlen(text);
    while (length > 0 && strchr(blanks, text[length - 1]) != NULL) length--;
    text[length] = '\0';
    return text;
}
