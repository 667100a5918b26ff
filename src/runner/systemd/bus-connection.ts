/**
 * One connection to systemd, over its private socket or a message bus.
 * Promises: every call ends, by its answer, by its signal, by its deadline, or because the connection is gone;
 * no more than limits.busCallsInFlightMax calls wait for an answer at once; frames are handed on in the order they came.
 * A missed deadline ends the connection: what came of that call is unknown, and only a new look tells.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import codec from '@httptoolkit/dbus-native/lib/message.js';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../lib/clock.ts';
import { startTimer } from '../../lib/deadline.ts';
import { RunnerUnavailable } from '../runner.ts';
import { createFrameReader, decodeBody, firstString, frameTypes } from './bus-frames.ts';
import type { BusFrame } from './bus-frames.ts';

/** Longest that connecting and authenticating may take. */
const CONNECT_MS_MAX = 5_000;
/** Longest that a call may wait for its answer; libsystemd waits 25 s. */
const CALL_MS_MAX = 30_000;
/** Calls that may wait for their turn. More would mean that callers do not wait for answers. */
const CALLS_WAITING_MAX = 200_000;
const AUTH_LINE_BYTES_MAX = 4_096;

/** Where systemd listens. `direct` is its private socket: no Hello, no matches, every signal comes unasked. */
export interface BusAddress {
  readonly path: string;
  readonly direct: boolean;
}

/** A method call. `body` has one value for each complete type in `signature`. */
export interface BusCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly body?: readonly unknown[];
  /** Waits longer than usual, in milliseconds: for calls that do their work before they answer. */
  readonly waitMsMax?: number;
}

/** An error the peer answered with: the call was heard and refused. */
export class BusError extends Error {
  override readonly name = 'BusError';
  /** For example "org.freedesktop.systemd1.NoSuchUnit". */
  readonly errorName: string;

  constructor(errorName: string, message: string) {
    super(message);
    this.errorName = errorName;
  }
}

export interface BusConnection {
  /** The values of the answer. Throws BusError when the call was refused, RunnerUnavailable when there is no answer. */
  call(call: BusCall, signal: AbortSignal): Promise<readonly unknown[]>;
  /** Resolves, with the reason, once the connection is gone. Never rejects. */
  readonly ended: Promise<Error>;
  close(): void;
}

export interface BusConnectionNeeds {
  readonly clock: Clock;
  /** Called with each signal in order, at once; must not throw. */
  readonly onSignal: (frame: BusFrame) => void;
}

interface PendingCall {
  readonly call: BusCall;
  /** Its caller has been told, by the answer or because the caller's signal was aborted. */
  settled(): boolean;
  resolve(values: readonly unknown[]): void;
  reject(error: Error): void;
}

/** Connects and authenticates as this process's user. Throws RunnerUnavailable when nobody listens or answers. */
export async function connectBus(address: BusAddress, needs: BusConnectionNeeds, signal: AbortSignal): Promise<BusConnection> {
  const socket = connect({ path: address.path });
  const stopTimer = startTimer({ clock: needs.clock, limitMs: CONNECT_MS_MAX },
    () => socket.destroy(new Error(`no answer within ${String(CONNECT_MS_MAX)} ms`)));
  const giveUp = (): void => void socket.destroy(signal.reason as Error);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    const early = await authenticate(socket);
    return serveConnection(socket, early, needs);
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw new RunnerUnavailable(`${address.path}: ${(error as Error).message}`);
  } finally {
    signal.removeEventListener('abort', giveUp);
    stopTimer();
  }
}

/** EXTERNAL authentication (D-Bus specification): the kernel vouches for our user id. Answers with bytes that came after it. */
function authenticate(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let heard = Buffer.alloc(0);
    const finish = (outcome: () => void): void => {
      socket.off('data', listen).off('error', reject).off('close', closed);
      outcome();
    };
    const closed = (): void => finish(() => reject(new Error('the connection was closed before it was authenticated')));
    const listen = (chunk: Buffer): void => {
      heard = Buffer.concat([heard, chunk]);
      const end = heard.indexOf('\r\n');
      if (end === -1 && heard.length < AUTH_LINE_BYTES_MAX) return;
      const line = heard.toString('latin1', 0, end);
      if (end === -1 || !line.startsWith('OK ')) {
        finish(() => reject(new Error(`authentication was refused: ${line.slice(0, 100)}`)));
        return;
      }
      finish(() => resolve(heard.subarray(end + 2)));
    };
    socket.on('data', listen).on('error', reject).on('close', closed);
    const userId = Buffer.from(String(process.getuid?.() ?? 0)).toString('hex');
    // BEGIN goes along, as libsystemd does it: systemd 252 does not look at a call that comes in one read with BEGIN until
    // more bytes arrive, and the call would wait for ever.
    socket.write(`\0AUTH EXTERNAL ${userId}\r\nBEGIN\r\n`);
  });
}

function serveConnection(socket: Socket, early: Buffer, needs: BusConnectionNeeds): BusConnection {
  const reader = createFrameReader();
  let endedWith: Error | null = null;
  let tellEnded: (reason: Error) => void = () => undefined;
  const ended = new Promise<Error>((resolve) => {
    tellEnded = resolve;
  });
  const end = (reason: Error): void => {
    if (endedWith !== null) return;
    endedWith = reason;
    socket.destroy();
    calls.rejectAll(new RunnerUnavailable(`systemd: ${reason.message}`));
    tellEnded(reason);
  };
  const calls = createCallTable({ clock: needs.clock, write: writeTogether(socket), onLate: end });
  const listen = (chunk: Buffer): void => {
    try {
      for (const frame of reader.push(chunk)) {
        if (frame.type === frameTypes.signal) needs.onSignal(frame);
        else calls.answer(frame);
      }
    } catch (error) {
      end(error as Error);
    }
  };
  socket.on('data', listen).on('error', end).on('close', () => end(new Error('the connection was closed')));
  if (early.length > 0) listen(early);

  return {
    ended,
    close: () => end(new Error('closed')),
    call: (call, signal) => new Promise((resolve, reject) => {
      signal.throwIfAborted();
      if (endedWith !== null) throw new RunnerUnavailable(`systemd: ${endedWith.message}`);
      calls.add(pendingCall(call, { resolve, reject }, signal));
    }),
  };
}

/** Calls made in one go leave in one write: a thousand of them would be as many system calls. */
function writeTogether(socket: Socket): (bytes: Buffer) => void {
  return (bytes) => {
    socket.cork();
    socket.write(bytes);
    process.nextTick(() => socket.uncork());
  };
}

interface CallTableNeeds {
  readonly clock: Clock;
  readonly write: (bytes: Buffer) => void;
  readonly onLate: (reason: Error) => void;
}

/** The calls of one connection: those on their way, by serial number, and those that wait for a place. */
interface CallTable {
  add(pending: PendingCall): void;
  answer(frame: BusFrame): void;
  rejectAll(reason: Error): void;
}

interface CallInFlight {
  readonly pending: PendingCall;
  readonly deadlineMs: number;
}

function createCallTable(needs: CallTableNeeds): CallTable {
  const { clock } = needs;
  const waiting: PendingCall[] = [];
  const inFlight = new Map<number, CallInFlight>();
  let lastSerial = 0;
  let hasEnded = false;
  /** What the timer waits for; null while no call is in flight. */
  let alarm: { readonly atMs: number; readonly off: AbortController } | null = null;

  /** Waits for the next deadline while calls are in flight: one timer for all of them. */
  const watchDeadlines = async (): Promise<void> => {
    while (inFlight.size > 0 && !hasEnded) {
      const first = [...inFlight.values()].reduce((one, other) => (other.deadlineMs < one.deadlineMs ? other : one));
      const leftMs = first.deadlineMs - clock.uptimeMs();
      if (leftMs <= 0) {
        const { member, waitMsMax = CALL_MS_MAX } = first.pending.call;
        needs.onLate(new Error(`no answer to ${member} within ${String(waitMsMax)} ms`));
        return;
      }
      alarm = { atMs: first.deadlineMs, off: new AbortController() };
      await clock.sleep(leftMs, alarm.off.signal).catch(() => undefined);
    }
    alarm = null;
  };
  const send = (pending: PendingCall): void => {
    lastSerial += 1;
    const { waitMsMax = CALL_MS_MAX, ...message } = pending.call;
    // The deadline is that of the answer, whatever became of the caller: an abandoned call still takes up a place.
    const deadlineMs = clock.uptimeMs() + waitMsMax;
    inFlight.set(lastSerial, { pending, deadlineMs });
    needs.write(codec.marshall({ type: frameTypes.call, serial: lastSerial, ...message }));
    if (alarm === null) void watchDeadlines();
    else if (deadlineMs < alarm.atMs) alarm.off.abort();
  };
  const pump = (): void => {
    while (inFlight.size < limits.busCallsInFlightMax) {
      const next = waiting.shift();
      if (next === undefined) return;
      if (!next.settled()) send(next);
    }
  };
  return {
    add(pending): void {
      if (waiting.length >= CALLS_WAITING_MAX) {
        pending.reject(new RunnerUnavailable('systemd: too many calls are waiting'));
        return;
      }
      waiting.push(pending);
      pump();
    },
    answer(frame): void {
      const pending = inFlight.get(frame.replySerial)?.pending;
      if (pending === undefined) return;
      inFlight.delete(frame.replySerial);
      if (frame.type === frameTypes.error) pending.reject(new BusError(frame.errorName, firstString(frame) || frame.errorName));
      else pending.resolve(decodeBody(frame));
      pump();
    },
    rejectAll(reason): void {
      const orphans = [...inFlight.values()].map(({ pending }) => pending).concat(waiting.splice(0));
      inFlight.clear();
      hasEnded = true;
      alarm?.off.abort();
      for (const pending of orphans) pending.reject(reason);
    },
  };
}

/** Pending calls by the signal that would abort them: one listener for all, because a thousand would be compared one by one. */
const abortable = new WeakMap<AbortSignal, Set<() => void>>();

function onAbort(signal: AbortSignal, abort: () => void): void {
  const others = abortable.get(signal);
  if (others !== undefined) {
    others.add(abort);
    return;
  }
  const all = new Set([abort]);
  abortable.set(signal, all);
  signal.addEventListener('abort', () => {
    for (const one of all) one();
  }, { once: true });
}

/** A call that settles once, whichever of answer, abort or end of the connection comes first. */
function pendingCall(
  call: BusCall, ends: { resolve(values: readonly unknown[]): void; reject(error: Error): void }, signal: AbortSignal,
): PendingCall {
  let settled = false;
  const settle = (outcome: () => void): void => {
    if (settled) return;
    settled = true;
    abortable.get(signal)?.delete(abort);
    outcome();
  };
  const abort = (): void => settle(() => ends.reject(signal.reason as Error));
  onAbort(signal, abort);
  return {
    call, settled: () => settled,
    resolve: (values) => settle(() => ends.resolve(values)),
    reject: (error) => settle(() => ends.reject(error)),
  };
}
