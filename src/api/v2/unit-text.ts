/**
 * What a unit's machines say of it in words: status and journal, from machines of this process directly, from others
 * over their peer ports.
 * Promises: machines are asked side by side, each bounded in time; one that does not answer is a block that says why.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { failure, success, type Result } from '../../core/failure.ts';
import { limits } from '../../core/limits.ts';
import type { MachineId } from '../../core/machine.ts';
import { compareText } from '../../core/order.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type { StatusReport } from '../../protocol/v2.ts';
import { inTime, withDeadline, type Deadline } from '../../lib/deadline.ts';
import { queryValues, sendFailure, sendJson } from '../http.ts';
import { oneLine, shown } from '../json.ts';
import { PeerUnreachable, type JournalRequest, type StatusText } from '../needs.ts';
import { pagedMs, whileOpen, writeText } from '../text-stream.ts';
import { addressOf, machinesOf, type Viewed } from '../views.ts';
import { streamsExhausted } from '../stream-counter.ts';
import { knownUnit, markStale, neverSynced, type Scene } from './scene.ts';

const statusLimitMs = 15_000;
/** Machines asked at the same time for one request. */
const askedAtOnceMax = 32;
/**
 * How long the answer waits for the first piece of a journal, so that a machine that cannot be asked is an error and no
 * empty text.
 */
const firstPieceMs = 2_000;
/** systemctl's exit status cannot be this one: the machine could not be asked. */
const unreachableExitStatus = 255;

export async function getStatus(scene: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const found = findUnit(scene, request);
  if (!found.ok) return sendFailure(reply, found.failure);
  markStale(scene.needs, reply);
  const { name, machines } = found.value;
  const report: StatusReport = {
    name,
    blocks: await mapBounded(machines, (machine) => statusBlock(scene, machine, name)),
  };
  return sendJson(reply, 200, report);
}

async function statusBlock(scene: Scene, machine: MachineId, name: UnitName): Promise<StatusReport['blocks'][number]> {
  const { clock } = scene.needs;
  const place = { machine, address: addressOf(scene.viewed().snapshot, machine) };
  try {
    const status = await withDeadline({ clock, limitMs: statusLimitMs, signal: scene.signal }, (limited) =>
      askStatus(scene, { machine, name }, limited),
    );
    return { ...place, exitStatus: status.exitStatus, text: status.text };
  } catch (error) {
    scene.signal.throwIfAborted();
    return { ...place, exitStatus: unreachableExitStatus, text: `${oneLine((error as Error).message)}\n` };
  }
}

function askStatus(
  { needs, viewed }: Scene,
  { machine, name }: { readonly machine: MachineId; readonly name: UnitName },
  signal: AbortSignal,
): Promise<StatusText> {
  const local = needs.local.get(machine);
  if (local !== undefined) return local.status(name, signal);
  const remote = viewed().snapshot.machines.get(machine);
  if (remote === undefined) throw new PeerUnreachable(`machine ${machine} has lost its contact with the cluster`);
  if (needs.peers === null) {
    throw new PeerUnreachable(`machine ${machine} could not be asked: this fleetd has no peer port`);
  }
  return needs.peers.status(remote, name, signal);
}

/** Results in the order of the items; never more than {@link askedAtOnceMax} at work. */
async function mapBounded<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(askedAtOnceMax, items.length) }, worker));
  return results;
}

interface FoundUnit {
  readonly name: UnitName;
  /** Machines that have it or still report it, sorted by id. */
  readonly machines: readonly MachineId[];
}

function findUnit(scene: Scene, request: FastifyRequest): Result<FoundUnit> {
  const viewed = scene.viewed();
  if (viewed.snapshot.revision === 0) return { ok: false, failure: neverSynced(scene.needs) };
  const name = knownUnit(viewed, request);
  if (!name.ok) return name;
  const reporting = [...viewed.snapshot.statuses]
    .filter(([, statuses]) => statuses.has(name.value))
    .map(([machine]) => machine);
  const machines = [...new Set([...machinesOf(viewed.snapshot, name.value), ...reporting])].sort(compareText);
  if (machines.length === 0) {
    return failure('UNIT_NOT_LOADED', `unit ${name.value} is on no machine; explain tells why`);
  }
  return success({ name: name.value, machines });
}

/** GET /fleet/v2/journal/NAME: text as it comes. */
export async function getJournal(scene: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const found = findUnit(scene, request);
  if (!found.ok) return sendFailure(reply, found.failure);
  const machine = chooseMachine(scene, found.value, queryValues(request, 'machine')[0]);
  if (!machine.ok) return sendFailure(reply, machine.failure);
  const journal = readJournalQuery(found.value.name, request);
  if (!journal.ok) return sendFailure(reply, journal.failure);
  const release = scene.streams.take();
  if (release === null) return sendFailure(reply, streamsExhausted);
  try {
    return await writeJournal(scene, { machine: machine.value, journal: journal.value }, reply);
  } finally {
    release();
  }
}

/** The machine asked for, else the only one, else the one that answers if it is among them. */
function chooseMachine({ needs }: Scene, { name, machines }: FoundUnit, wanted: string | undefined): Result<MachineId> {
  if (wanted !== undefined) {
    const machine = machines.find((id) => id === wanted);
    return machine === undefined
      ? failure('UNIT_NOT_LOADED', `unit ${name} is not on machine ${shown(wanted)}`)
      : success(machine);
  }
  const [only, ...others] = machines;
  const here = machines.find((id) => id === needs.machineId);
  if (only !== undefined && others.length === 0) return success(only);
  return here === undefined
    ? failure('REQUEST_INVALID', `unit ${name} is on ${machines.length} machines; name one of them with "machine"`)
    : success(here);
}

const defaultLines = 10;

function readJournalQuery(name: UnitName, request: FastifyRequest): Result<JournalRequest> {
  const [linesText = String(defaultLines)] = queryValues(request, 'lines');
  const lines = /^\d{1,6}$/.test(linesText) ? Number(linesText) : -1;
  if (lines < 0 || lines > limits.journalLinesMax) {
    return failure(
      'REQUEST_INVALID',
      `"lines" is ${shown(linesText)}, should be a number up to ${limits.journalLinesMax}`,
    );
  }
  const [follow = 'false'] = queryValues(request, 'follow');
  if (follow !== 'true' && follow !== 'false') {
    return failure('REQUEST_INVALID', `"follow" is ${shown(follow)}, should be true or false`);
  }
  const [output = 'short'] = queryValues(request, 'output');
  if (!/^[a-z-]{1,32}$/.test(output)) {
    return failure(
      'REQUEST_INVALID',
      `"output" is ${shown(output)}, should be one of journalctl's formats such as short or cat`,
    );
  }
  return success({ name, lines, follow: follow === 'true', output });
}

interface Asked {
  readonly machine: MachineId;
  readonly journal: JournalRequest;
}

/** Fails as JSON as long as nothing was written; after that a failure can only end the connection. */
async function writeJournal(scene: Scene, asked: Asked, reply: FastifyReply): Promise<FastifyReply> {
  const { clock, log, version } = scene.needs;
  const out = reply.raw;
  const signal = whileOpen(out, scene.signal);
  const chunks = journalOf(scene, asked, signal)[Symbol.asyncIterator]();
  try {
    const first = chunks.next();
    await settledOrLate(first, { clock, limitMs: firstPieceMs, signal });
    reply.hijack();
    out.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', server: `fleetd/${version}` });
    out.flushHeaders();
    for (let next = await first; next.done !== true; next = await chunks.next()) {
      await writeText(out, next.value, { clock, signal, limitMs: pagedMs });
    }
    out.end();
  } catch (error) {
    const message = oneLine((error as Error).message);
    if (!reply.sent && !signal.aborted) return sendFailure(reply, failure('MACHINE_UNREACHABLE', message).failure);
    if (!signal.aborted) {
      log.warning(`a journal broke off; its reader sees the end of the connection: ${message}`, {
        unit: asked.journal.name,
      });
    }
    out.destroy();
  } finally {
    await chunks.return?.(undefined).catch(() => undefined); // It has failed already, and that was told.
  }
  return reply;
}

/** Waits for a promise, but not for longer than the deadline; throws what the promise rejects with. */
async function settledOrLate(promise: Promise<unknown>, deadline: Deadline): Promise<void> {
  await inTime(
    withDeadline(
      deadline,
      (limited) =>
        new Promise((resolve, reject) => {
          limited.addEventListener('abort', () => reject(limited.reason as Error), { once: true });
          promise.then(() => resolve(), reject);
        }),
    ),
  );
}

function journalOf({ needs, viewed }: Scene, { machine, journal }: Asked, signal: AbortSignal): AsyncIterable<string> {
  const local = needs.local.get(machine);
  if (local !== undefined) return local.journal(journal, signal);
  const remote = viewed().snapshot.machines.get(machine);
  if (remote === undefined || needs.peers === null) {
    throw new PeerUnreachable(`machine ${machine} cannot be asked from here`);
  }
  return needs.peers.journal(remote, journal, signal);
}
