/**
 * The last assignments of this machine and their unit files, on its own disk: what it starts after a power cut while the store is away.
 * Promises: a copy is whole or nothing (replaced in one step, with a checksum), never larger than its limit, and is written only from what
 * the store has said; a disk that cannot be written to is said once for each outage and keeps nobody from working.
 */
import { createHash } from 'node:crypto';
import { compareText } from '../core/order.ts';
import type { Assignment, FileHash } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { createBell } from '../lib/wakeups.ts';
import { decodeAssignment, encodeRecord } from '../store/records.ts';
import { messageOf } from './memory.ts';
import type { AgentMemory } from './memory.ts';

const copyName = 'assignments';
const header = 'fleet-assignments 1';
/** More than the assignments and files of a thousand units; what is beyond is left out, and said. */
const copyBytesMax = 33_554_432;
/** Changes that come within this time are written together: a copy that is a second old is as good. */
const settleMs = 1_000;

/** What a machine is to run, as far as its disk knows. */
export interface Copy {
  /** The boot in which the store said so. */
  readonly bootId: string;
  readonly savedAtMs: number;
  readonly assignments: ReadonlyMap<UnitName, Assignment>;
  readonly texts: ReadonlyMap<FileHash, string>;
}

export interface LocalCopyNeeds {
  readonly memory: AgentMemory;
  readonly clock: Clock;
  readonly log: Log;
  readonly bootId: string;
}

export interface LocalCopy {
  /** What was kept by an earlier fleetd; null when there is nothing, or it is damaged. */
  recall(): Promise<Copy | null>;
  /** Keeps what the store has said, soon. `texts` may have more files than are needed. */
  keep(assignments: ReadonlyMap<UnitName, Assignment>, texts: ReadonlyMap<FileHash, string>): void;
  /** Writes until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export function createLocalCopy({ memory, clock, log, bootId }: LocalCopyNeeds): LocalCopy {
  const bell = createBell();
  let wanted: Pick<Copy, 'assignments' | 'texts'> | null = null;
  let seen: { readonly assignments: object; readonly files: number } | null = null;
  let written = '';
  let isTold = false;
  const write = async (): Promise<void> => {
    if (wanted === null) return;
    const { body, left } = printUnits(wanted);
    if (body === written) return;
    if (left > 0) log.warning(`the copy of this machine's assignments is full; ${String(left)} units are not in it`);
    try {
      await memory.write(copyName, printCopy(body, { bootId, savedAtMs: clock.nowMs() }));
      written = body;
      isTold = false;
    } catch (error) {
      if (!isTold) {
        log.warning(`cannot keep the assignments on disk: after a power cut this machine starts nothing until the store answers: ${messageOf(error)}`);
      }
      isTold = true;
    }
  };
  return {
    async recall(): Promise<Copy | null> {
      try {
        const text = await memory.read(copyName);
        const copy = text === null ? null : parseCopy(text);
        if (text !== null && copy === null) log.warning('the copy of this machine\'s assignments on disk is damaged; it is not used');
        return copy;
      } catch (error) {
        log.warning(`cannot read the copy of this machine's assignments: ${messageOf(error)}`);
        return null;
      }
    },
    keep(assignments, texts): void {
      if (seen?.assignments === assignments && seen.files === texts.size) return;
      seen = { assignments, files: texts.size };
      wanted = { assignments, texts: new Map(texts) };
      bell.wake();
    },
    async run(signal): Promise<void> {
      for (;;) {
        await bell.wait(signal);
        await clock.sleep(settleMs, signal);
        await write();
      }
    },
  };
}

/** One line for each unit and each file, up to the limit; how many units did not fit. */
function printUnits({ assignments, texts }: Pick<Copy, 'assignments' | 'texts'>): { readonly body: string; readonly left: number } {
  const lines: string[] = [];
  const files = new Set<FileHash>();
  let bytes = 0;
  let left = 0;
  for (const [name, assignment] of [...assignments].sort(([one], [other]) => compareText(one, other))) {
    const text = texts.get(assignment.hash);
    if (text === undefined) continue;
    const more = [`unit ${name} ${encodeRecord(assignment)}`];
    if (!files.has(assignment.hash)) more.push(`file ${assignment.hash} ${JSON.stringify(text)}`);
    const size = more.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
    if (bytes + size > copyBytesMax) {
      left += 1;
      continue;
    }
    bytes += size;
    files.add(assignment.hash);
    lines.push(...more);
  }
  return { body: lines.join('\n'), left };
}

function printCopy(body: string, { bootId, savedAtMs }: Pick<Copy, 'bootId' | 'savedAtMs'>): string {
  const content = `${String(savedAtMs)} ${bootId}\n${body}`;
  return `${header} ${checksum(content)}\n${content}`;
}

const checksum = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Reads a copy; null when it is of another kind, or not what was written. Assignments that cannot be read are left out. */
export function parseCopy(text: string): Copy | null {
  const end = text.indexOf('\n');
  const content = text.slice(end + 1);
  if (end === -1 || text.slice(0, end) !== `${header} ${checksum(content)}`) return null;
  const [first = '', ...lines] = content.split('\n');
  const [savedAtMs = ''] = first.split(' ');
  const bootId = first.slice(savedAtMs.length + 1);
  const assignments = new Map<UnitName, Assignment>();
  const texts = new Map<FileHash, string>();
  for (const line of lines) {
    const [kind = '', name = ''] = line.split(' ', 2);
    const value = line.slice(kind.length + name.length + 2);
    if (kind === 'file') texts.set(name as FileHash, JSON.parse(value) as string);
    const decoded = kind === 'unit' ? decodeAssignment(value) : null;
    if (decoded?.ok === true) assignments.set(name as UnitName, decoded.value);
  }
  return { bootId, savedAtMs: Number(savedAtMs), assignments, texts };
}
