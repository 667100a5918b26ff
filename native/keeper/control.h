/* The control socket of a keeper: commands come in, answers go out, watchers stay. */
#ifndef KEEPER_CONTROL_H
#define KEEPER_CONTROL_H

#include "service.h"

struct pollfd;

/* Listens on "control" in the current directory; returns the descriptor, or -1 with errno set. */
int control_open(void);
/* Takes one waiting connection. */
void control_accept(int listener);
/* Adds the connections to `polls`, returns how many. */
size_t control_polls(struct pollfd *polls);
/* Reads commands, carries them out, saves the state and answers. */
void control_read(struct service *service, const struct pollfd *polls, size_t count);

#endif
