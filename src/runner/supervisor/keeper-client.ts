/**
 * Talking to keepers (native/keeper/protocol.h): commands to a living one, a new one where there is none.
 * Promises: every exchange is bounded in time; a command is answered only after the keeper has saved what it leads to.
 */
import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { UnitName } from '../../core/unit-name.ts';
import type { Clock } from '../../lib/clock.ts';
import { DeadlineExceeded, withDeadline } from '../../lib/deadline.ts';

/** Longest time a keeper may take to answer, or to start, on a machine under load. */
const ANSWER_MS_MAX = 20_000;
/** A keeper that ends while another starts makes both ways fail for a moment. */
const ATTEMPTS_MAX = 50;
const ATTEMPT_PAUSE_MS = 20;
/** Pause before news of a unit that has no keeper to follow. */
const WATCH_AGAIN_MS = 1_000;
/** Exit status of a keeper that found the unit kept already. */
const EXIT_BUSY = 75;

export type KeeperCommand = 'start' | 'restart' | 'stop' | 'reload' | 'reset-failed';

/** What cannot be done for one unit, in one line for people. */
export class KeeperTrouble extends Error {
  override readonly name = 'KeeperTrouble';
}

export interface KeeperClient {
  /** Has the unit's keeper carry out a command, starting a keeper when there is none. Throws KeeperTrouble. */
  command(name: UnitName, command: KeeperCommand, signal: AbortSignal): Promise<void>;
  /** Calls `onEnd` once when the unit's keeper has ended, soon when there is none; the answer ends the watch early. */
  watch(name: UnitName, onEnd: () => void): () => void;
}

export interface KeeperClientOptions {
  /** The keeper binary. */
  readonly keeper: string;
  readonly stateDirectory: string;
  readonly clock: Clock;
}

export function createKeeperClient({ keeper, stateDirectory, clock }: KeeperClientOptions): KeeperClient {
  const directoryOf = (name: UnitName): string => join(stateDirectory, 'units', name);
  const attempt = async (name: UnitName, command: KeeperCommand, signal: AbortSignal): Promise<boolean> => {
    const socket = await connectTo(directoryOf(name), signal);
    if (socket === null) return startKeeper({ keeper, args: ['unit', stateDirectory, name, command] }, signal);
    const answer = await ask(socket, command, signal);
    if (answer.startsWith('refused ')) throw new KeeperTrouble(answer.slice('refused '.length));
    return answer === 'ok';
  };
  return {
    async command(name, command, signal) {
      try {
        await withDeadline({ clock, limitMs: ANSWER_MS_MAX, signal }, async (bounded) => {
          for (let tries = 1; !await attempt(name, command, bounded); tries += 1) {
            if (tries === ATTEMPTS_MAX) throw new KeeperTrouble(`its keeper does not take "${command}"`);
            await clock.sleep(ATTEMPT_PAUSE_MS, bounded);
          }
        });
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof DeadlineExceeded) throw new KeeperTrouble(`its keeper gives ${error.message}`);
        throw error;
      }
    },
    watch(name, onEnd) {
      const ending = new AbortController();
      const follow = async (): Promise<void> => {
        const socket = await connectTo(directoryOf(name), ending.signal);
        // A keeper that lives without its socket would be looked for again and again.
        if (socket === null) return clock.sleep(WATCH_AGAIN_MS, ending.signal);
        ending.signal.addEventListener('abort', () => socket.destroy(), { once: true });
        const closed = new Promise((resolve) => socket.once('close', resolve));
        socket.on('error', () => undefined); // A close follows.
        socket.resume();
        socket.write('watch\n');
        await closed;
      };
      follow().catch(() => undefined).finally(() => {
        if (!ending.signal.aborted) onEnd();
      });
      return () => ending.abort();
    },
  };
}

/**
 * Connects to the control socket in `directory`; null when nobody listens there. A socket's address holds 107 bytes only, which
 * a unit's directory may exceed: the way through /proc is short.
 */
async function connectTo(directory: string, signal: AbortSignal): Promise<Socket | null> {
  const handle = await open(directory, 'r').catch(() => null);
  if (handle === null) return null;
  try {
    return await new Promise<Socket | null>((resolve, reject) => {
      signal.throwIfAborted();
      const socket = connect({ path: `/proc/self/fd/${String(handle.fd)}/control` });
      const abort = (): void => {
        socket.destroy();
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', abort, { once: true });
      const settle = (answer: Socket | null): void => {
        signal.removeEventListener('abort', abort);
        resolve(answer);
      };
      socket.once('connect', () => settle(socket));
      socket.once('error', () => settle(null));
    });
  } finally {
    await handle.close();
  }
}

/** Sends one command; answers with the keeper's line, '' when it ended without one. */
function ask(socket: Socket, command: KeeperCommand, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const abort = (): void => void socket.destroy(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => (answer += text));
    socket.on('error', () => undefined); // A close follows.
    socket.once('close', () => {
      signal.removeEventListener('abort', abort);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve(answer.trim());
    });
    socket.write(`${command}\n`);
  });
}

interface KeeperStart {
  readonly keeper: string;
  readonly args: readonly string[];
}

/** Starts a keeper and waits until it has taken over; false when the unit has one meanwhile. */
function startKeeper({ keeper, args }: KeeperStart, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    execFile(keeper, args, { signal, encoding: 'utf8' }, (error, _stdout, stderr) => {
      if (error === null) return resolve(true);
      if (error.code === EXIT_BUSY) return resolve(false);
      if (signal.aborted) return reject(signal.reason as Error);
      const why = stderr.trim().split('\n')[0] ?? '';
      reject(new KeeperTrouble(`no keeper can be started: ${why === '' ? error.message.split('\n')[0] ?? '' : why}`));
    });
  });
}
