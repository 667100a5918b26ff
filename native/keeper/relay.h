/* keeper notify: sends notifications for a program that has no datagram sockets of its own. */
#ifndef KEEPER_RELAY_H
#define KEEPER_RELAY_H

/* Sends each line of stdin as one datagram to $NOTIFY_SOCKET until stdin ends; \n in a line parts fields, \\ is a
 * backslash. Returns the exit status: 0, or 1 after a line on stderr when there is no socket. */
int relay_run(void);

#endif
