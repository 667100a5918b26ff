/* Environment blocks, EnvironmentFile= and the expansion of $VARIABLES in command lines (systemd.exec(5),
 * systemd.service(5) "COMMAND LINES"). */
#ifndef KEEPER_ENVIRONMENT_H
#define KEEPER_ENVIRONMENT_H

#include "text.h"

/* The value of `name`, or NULL. */
const char *environment_get(const struct words *environment, const char *name, size_t name_length);
/* Sets "NAME=VALUE" (owned), replacing an older value. */
void environment_set(struct words *environment, char *assignment);
/* Removes "NAME", or "NAME=VALUE" only when it has just that value. */
void environment_unset(struct words *environment, const char *entry);
/* Adds the assignments of a file; false with errno set when it cannot be read. Lines that are none are left out. */
bool environment_read_file(struct words *environment, const char *path);
/* Expands a command line: a word $NAME becomes the words of its value (none when it is unset), ${NAME} inside a word
 * becomes the value as it is, $$ becomes $. */
void expand_arguments(const struct words *arguments, const struct words *environment, struct words *expanded);

#endif
