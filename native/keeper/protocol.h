/*
 * What fleetd and a keeper say to each other. A keeper is the parent of one unit's processes: it carries out the unit's
 * life by itself, so that restarts, time limits and exit statuses stay exact while no fleetd is there.
 *
 *   keeper unit STATE-DIRECTORY NAME COMMAND   becomes the unit's keeper in the background and carries out COMMAND.
 *       Exit status 0: it took over. 75 (EXIT_BUSY): the unit has a keeper already, talk to that one.
 *       1: it could not, why is one line on stderr.
 *   keeper notify                              relays lines of stdin to $NOTIFY_SOCKET (relay.c).
 *   keeper fence FIFO                          is the process of a fence (fence.h).
 *
 * Files below STATE-DIRECTORY:
 *   units/NAME/instructions   written by fleetd by temp + rename, read at every start that somebody asked for
 *   units/NAME/control        unix stream socket of the living keeper
 *   units/NAME/lock           record lock held by the living keeper
 *   units/NAME/journal[.1]    what the unit's processes wrote, newest last; rotated at JOURNAL_BYTES_MAX
 *   states/NAME               the newest state, written by temp + rename at every change
 *
 * Instructions: first line INSTRUCTIONS_HEADER, then one setting a line, last line "end". Fields are parted by tabs;
 * \\ \t \n stand for a backslash, a tab and a newline. Times are microseconds, TIME_INFINITY is no limit. The settings
 * are the table in instructions.c. Words hold $VARIABLES still: they are expanded when a command is run.
 *
 * State: first line STATE_HEADER, then "key value" lines with the same escapes, last line "end". The keys are in state.c.
 *
 * Commands, one line per connection, answered with "ok" or "refused WHY" and closed:
 *   start       start the unit unless it is up
 *   restart     stop it if it is up, then start it
 *   stop        stop it and do not start it again
 *   reset-failed  forget that it failed and how often it was started
 *   reload      run its ExecReload= commands
 *   watch       answered with "ok" and then kept open until the keeper ends: its end is the news
 * A keeper ends when its unit is inactive or failed and no start is due; the state file then tells the outcome.
 */
#ifndef KEEPER_PROTOCOL_H
#define KEEPER_PROTOCOL_H

#include <stdint.h>

#define INSTRUCTIONS_HEADER "fleet-keeper-instructions 1"
#define STATE_HEADER "fleet-keeper-state 1"
#define TIME_INFINITY UINT64_MAX
#define EXIT_BUSY 75

/* Every process of a unit carries this variable with the unit's mark, so that processes whose keeper was killed are
 * found again by the next one. */
#define MARK_VARIABLE "FLEET_KEEPER_MARK"

#define INSTRUCTIONS_BYTES_MAX (1024 * 1024)
#define ENVIRONMENT_FILE_BYTES_MAX (1024 * 1024)
#define COMMAND_BYTES_MAX 128
#define CONNECTIONS_MAX 16
#define STREAMS_MAX 32
#define NOTIFICATION_BYTES_MAX 4096

/* journald's defaults: LineMax=48K. One journal file and its predecessor are kept. */
#define JOURNAL_LINE_BYTES_MAX 49152
#define JOURNAL_BYTES_MAX (4 * 1024 * 1024)

#endif
