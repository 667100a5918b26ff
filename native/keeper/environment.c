/* Environment blocks, environment files and expansion; see environment.h. The state machine for files and the rules of
 * expansion are those of systemd 252, quirks included, because people's files depend on them. */
#include "environment.h"

#include "protocol.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static size_t index_of(const struct words *environment, const char *name, size_t name_length) {
    for (size_t i = 0; i < environment->count; i++) {
        const char *entry = environment->items[i];
        if (strncmp(entry, name, name_length) == 0 && entry[name_length] == '=') return i;
    }
    return environment->count;
}

const char *environment_get(const struct words *environment, const char *name, size_t name_length) {
    size_t at = index_of(environment, name, name_length);
    return at == environment->count ? NULL : environment->items[at] + name_length + 1;
}

void environment_set(struct words *environment, char *assignment) {
    size_t at = index_of(environment, assignment, strcspn(assignment, "="));
    if (at == environment->count) {
        words_add(environment, assignment);
        return;
    }
    free(environment->items[at]);
    environment->items[at] = assignment;
}

void environment_unset(struct words *environment, const char *entry) {
    size_t name_length = strcspn(entry, "=");
    size_t at = index_of(environment, entry, name_length);
    if (at == environment->count) return;
    if (entry[name_length] == '=' && strcmp(environment->items[at], entry) != 0) return;
    free(environment->items[at]);
    environment->items[at] = environment->items[--environment->count];
    environment->items[environment->count] = NULL;
}

static bool is_variable_name(const char *name) {
    if (!isalpha((unsigned char)*name) && *name != '_') return false;
    for (; *name != '\0'; name++)
        if (!isalnum((unsigned char)*name) && *name != '_') return false;
    return true;
}

enum file_state { BEFORE_KEY, KEY, BEFORE_VALUE, VALUE, VALUE_ESCAPE, SINGLE, DOUBLE, DOUBLE_ESCAPE, COMMENT, COMMENT_ESCAPE };

struct file_reader {
    enum file_state state;
    struct text key;
    struct text value;
    size_t value_end; /* behind the last character of an unquoted value that is no blank */
    struct words *environment;
};

static void finish_assignment(struct file_reader *reader) {
    text_add(&reader->key, "", 0);
    text_add(&reader->value, "", 0);
    if (reader->state == VALUE) reader->value.bytes[reader->value_end] = '\0';
    const char *key = trim_in_place(reader->key.bytes);
    if (is_variable_name(key)) environment_set(reader->environment, format_text("%s=%s", key, reader->value.bytes));
    reader->key.length = reader->value.length = reader->value_end = 0;
    reader->state = BEFORE_KEY;
}

static void add_value(struct file_reader *reader, char character) {
    text_add(&reader->value, &character, 1);
    if (!isspace((unsigned char)character)) reader->value_end = reader->value.length;
}

/* Begins, or goes on with, an unquoted value. */
static void read_unquoted(struct file_reader *reader, char character) {
    if (character == '\n') {
        finish_assignment(reader);
    } else if (character == '\\') {
        reader->state = VALUE_ESCAPE;
    } else if (reader->state == BEFORE_VALUE && character == '\'') {
        reader->state = SINGLE;
    } else if (reader->state == BEFORE_VALUE && character == '"') {
        reader->state = DOUBLE;
    } else if (reader->state == VALUE || !isspace((unsigned char)character)) {
        reader->state = VALUE;
        add_value(reader, character);
    }
}

static void read_key(struct file_reader *reader, char character) {
    if (reader->state == BEFORE_KEY && (character == '#' || character == ';')) {
        reader->state = COMMENT;
    } else if (character == '\n') {
        reader->state = BEFORE_KEY;
        reader->key.length = 0;
    } else if (reader->state == KEY && character == '=') {
        reader->state = BEFORE_VALUE;
    } else if (reader->state == KEY || !isspace((unsigned char)character)) {
        reader->state = KEY;
        text_add(&reader->key, &character, 1);
    }
}

static void read_quoted(struct file_reader *reader, char character) {
    if (reader->state == DOUBLE_ESCAPE) {
        /* Inside double quotes only these characters can be escaped, as in a shell; a newline is joined. */
        reader->state = DOUBLE;
        if (strchr("\"\\`$", character) == NULL && character != '\n') add_value(reader, '\\');
        if (character != '\n') add_value(reader, character);
    } else if (character == (reader->state == SINGLE ? '\'' : '"')) {
        reader->state = BEFORE_VALUE;
    } else if (reader->state == DOUBLE && character == '\\') {
        reader->state = DOUBLE_ESCAPE;
    } else {
        add_value(reader, character);
    }
}

static void read_character(struct file_reader *reader, char character) {
    switch (reader->state) {
    case BEFORE_KEY:
    case KEY:
        read_key(reader, character);
        break;
    case BEFORE_VALUE:
    case VALUE:
        read_unquoted(reader, character);
        break;
    case VALUE_ESCAPE:
        reader->state = VALUE;
        if (character != '\n') {
            add_value(reader, character);
            reader->value_end = reader->value.length;
        }
        break;
    case SINGLE:
    case DOUBLE:
    case DOUBLE_ESCAPE:
        read_quoted(reader, character);
        break;
    case COMMENT:
        reader->state = character == '\\' ? COMMENT_ESCAPE : character == '\n' ? BEFORE_KEY : COMMENT;
        break;
    case COMMENT_ESCAPE:
        reader->state = COMMENT;
        break;
    }
}

bool environment_read_file(struct words *environment, const char *path) {
    char *content = read_whole_file(path, ENVIRONMENT_FILE_BYTES_MAX, NULL);
    if (content == NULL) return false;
    struct file_reader reader = {.environment = environment};
    for (const char *at = content; *at != '\0'; at++)
        if (*at != '\r') read_character(&reader, *at);
    if (reader.state != KEY && reader.state != BEFORE_KEY && reader.state != COMMENT && reader.state != COMMENT_ESCAPE)
        finish_assignment(&reader);
    free(reader.key.bytes);
    free(reader.value.bytes);
    free(content);
    return true;
}

/* Adds the words of a variable's value: parted at blanks, quotes and backslashes removed, an open quote forgiven. */
static void add_value_words(const char *value, struct words *expanded) {
    const char *at = value;
    for (;;) {
        at += strspn(at, " \t\n\r");
        if (*at == '\0') return;
        struct text word = {0};
        text_add(&word, "", 0);
        char quote = '\0';
        for (; *at != '\0' && (quote != '\0' || strchr(" \t\n\r", *at) == NULL); at++) {
            if (quote == '\0' && (*at == '"' || *at == '\'')) quote = *at;
            else if (*at == quote) quote = '\0';
            else if (*at == '\\' && at[1] != '\0') text_add(&word, ++at, 1);
            else text_add(&word, at, 1);
        }
        words_add(expanded, word.bytes);
    }
}

/* One word with ${NAME} and $$ replaced. */
static char *expand_word(const char *word, const struct words *environment) {
    struct text made = {0};
    text_add(&made, "", 0);
    for (const char *at = word; *at != '\0'; at++) {
        const char *end = at[0] == '$' && at[1] == '{' ? strchr(at, '}') : NULL;
        if (end != NULL) {
            const char *value = environment_get(environment, at + 2, (size_t)(end - at - 2));
            if (value != NULL) text_add(&made, value, strlen(value));
            at = end;
        } else {
            text_add(&made, at, 1);
            if (at[0] == '$' && at[1] == '$') at++;
        }
    }
    return made.bytes;
}

void expand_arguments(const struct words *arguments, const struct words *environment, struct words *expanded) {
    for (size_t i = 0; i < arguments->count; i++) {
        const char *word = arguments->items[i];
        if (word[0] != '$' || word[1] == '{' || word[1] == '$') {
            words_add(expanded, expand_word(word, environment));
            continue;
        }
        const char *value = environment_get(environment, word + 1, strlen(word + 1));
        if (value != NULL) add_value_words(value, expanded);
    }
}
