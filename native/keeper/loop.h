/* The keeper's loop: waits for the next event and hands it to the service, until the unit has ended. */
#ifndef KEEPER_LOOP_H
#define KEEPER_LOOP_H

#include "service.h"

/* What the loop listens to. */
struct ears {
    int signals; /* signalfd */
    int control; /* listening socket */
    int notify;  /* datagram socket, -1 when there is none */
};

/* Returns when the unit is inactive or failed, its state is saved and none of its processes is left. */
void loop_run(struct service *service, const struct ears *ears);

#endif
