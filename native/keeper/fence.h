/* keeper fence: the process of a fence, a service whose end takes units with it (docs/design/fencing.md).
 *
 * fleetd writes lines to a FIFO: "raise MS" or "extend MS", MS being a moment on the clock of /proc/uptime. The first moment has to come
 * with "raise"; then the fence is ready, and stands as long as the service manager's watchdog (WATCHDOG_USEC) is fed. */
#ifndef KEEPER_FENCE_H
#define KEEPER_FENCE_H

#include <stdint.h>

/* Makes the FIFO and serves it. Returns the exit status: 0 after SIGTERM, 1 when no moment came in time or the last one is over. */
int fence_run(const char *path);

/* Milliseconds on the clock of /proc/uptime, which runs through suspend; far in the future when it cannot be read. */
uint64_t uptime_ms(void);
/* Milliseconds until the moment in a file, which fleetd writes for units without systemd; 0: it is over, or there is none. */
uint64_t fence_left_ms(const char *path);

#endif
