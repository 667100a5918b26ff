/**
 * Every limit of fleet, in one place. Promises: nothing else in core holds a bare number that bounds input,
 * and the relations between limits are asserted when this file loads.
 */
import { assert } from './failure.ts';

export const limits = {
  /** Bytes of one unit file (design.md, issue of units): systemd itself has no limit here. */
  unitFileBytesMax: 65_536,
  /** systemd: UNIT_NAME_MAX is 256 with the closing zero byte, so 255 characters. */
  unitNameCharactersMax: 255,
  /** Characters of one brace expression: longer than any name, so that nesting stays shallow. */
  braceCharactersMax: 2_048,
  /** Names one brace expression may expand to. */
  braceNamesMax: 10_000,
  /** Units one API request may name; a client with more sends several requests. */
  unitsPerRequestMax: 1_000,
  /** Bytes of one request body. */
  requestBytesMax: 8_388_608,
  /** etcd refuses a transaction with more than 128 guards, or with more than 128 changes (`--max-txn-ops`). */
  storeOpsPerCommitMax: 128,
  /** etcd refuses a request of more than 1.5 MiB; leave room for framing. */
  storeBytesPerCommitMax: 1_400_000,
  /** Entries an event stream can be resumed over. */
  eventBacklogMax: 10_000,
  /** Event streams one API serves at once. */
  eventStreamsMax: 200,
  /** Lines of journal one request may ask for. */
  journalLinesMax: 10_000,
  /** D-Bus calls in flight; the bus refuses more than 128 pending replies. */
  busCallsInFlightMax: 64,
  /** Values one option of [X-Fleet] may list: checks compare lists with each other. */
  fleetOptionValuesMax: 256,
  /** Bytes of a template of `fleetctl render`. */
  templateBytesMax: 1_048_576,
  /** Longest DrainTime= of a unit: nobody waits longer for a stop. */
  drainMsMax: 3_600_000,
  /** Errors, and warnings, one check of a unit file reports: people mend the first ones first. */
  findingsMax: 100,
  /** Metadata pairs of one machine, and characters of one key or value. */
  metadataPairsMax: 256,
  metadataCharactersMax: 1_024,
  /** Generations of a release that are kept, their files with them: what undo can go back to. */
  generationsKept: 10,
  /** Units a release changes at a time, whatever its batch says: one step is one commit. */
  releaseBatchMax: 32,
  /** Failures a release remembers. */
  releaseFailuresKept: 20,
  /** Units of drained machines that are on their way to another machine at once. */
  drainMovesMax: 5,
  /** Units whose moves are shown before a rebalance begins. */
  rebalanceMovesShown: 1_000,
  /** Characters of the reason a person gives for a cordon, a drain or a hold. */
  reasonCharactersMax: 256,
  /** Candidates an explanation lists before it says how many more there are. */
  explainMachinesMax: 1_000,
  /** Events kept of one unit, and of one machine. */
  historyEventsMax: 32,
  /** Entries of a backup one request may bring back. */
  restoreEntriesMax: 1_000,
  /** Events one request may ask for. */
  historyLinesMax: 10_000,
  /** Histories kept of units that do not exist any more. */
  goneHistoriesMax: 1_000,
  /** Listening ports one machine reports. */
  listeningPortsMax: 4_096,
  /** Times a unit is given another port because its own was in use, until it is released, restarted or placed anew. */
  portMovesMax: 10,
  /** Ranges and pools whose cursor is remembered for each machine. */
  portCursorsMax: 256,
  /** Different reasons the one sentence about an unplaced unit counts. */
  explainReasonsMax: 5,
} as const;

assert(limits.unitFileBytesMax * 8 <= limits.requestBytesMax, 'a request carries several unit files');
assert(limits.unitFileBytesMax < limits.storeBytesPerCommitMax, 'a unit file fits one commit');
assert(limits.unitNameCharactersMax < limits.braceCharactersMax, 'every name fits a brace expression');
