/**
 * Tells the service manager how fleetd is: sd_notify(3) through the keeper, because Node has no unix datagram sockets.
 * Promises: without NOTIFY_SOCKET every call does nothing; trouble with the manager's socket is logged and never stops fleetd.
 */
import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Log } from '../lib/log.ts';

/** What fleetd says about itself. */
export interface Notifier {
  ready(): void;
  /** One line for `systemctl status`. */
  status(text: string): void;
  /** Still alive; the caller knows the interval (WATCHDOG_USEC). */
  watchdog(): void;
  stopping(): void;
  /** A reload has begun; ready() ends it. */
  reloading(): void;
  /** Ends the relay once what was said is sent. */
  close(): void;
}

const silent: Notifier = {
  ready: () => undefined, status: () => undefined, watchdog: () => undefined, stopping: () => undefined, reloading: () => undefined,
  close: () => undefined,
};

/** Starts the relay of `keeper` when `environment` has a NOTIFY_SOCKET; later calls are lines to it. */
export function openNotifier(keeper: string, environment: NodeJS.ProcessEnv, log: Log): Notifier {
  const socket = environment['NOTIFY_SOCKET'];
  if (socket === undefined || socket === '') return silent;
  const relay = spawn(keeper, ['notify'], { stdio: ['pipe', 'ignore', 'pipe'], env: { NOTIFY_SOCKET: socket } });
  let open = true;
  const lose = (why: string): void => {
    if (open) log.warning(`the service manager is not notified any more: ${why}`);
    open = false;
  };
  relay.on('error', (error) => lose(error.message));
  relay.on('exit', (status) => lose(`the relay ended with ${String(status)}`));
  relay.stdin.on('error', (error) => lose(error.message));
  relay.stderr.setEncoding('utf8').on('data', (text: string) => log.warning(`notification relay: ${text.trim()}`));
  // The relay must not keep fleetd alive: it ends with its standard input.
  relay.unref();
  for (const pipe of [relay.stdin, relay.stderr]) if (pipe instanceof Socket) pipe.unref();
  const send = (...fields: readonly string[]): void => {
    if (!open) return;
    const escaped = fields.map((field) => field.replaceAll('\\', '\\\\').replaceAll('\n', ' '));
    relay.stdin.write(`${escaped.join('\\n')}\n`);
  };
  return {
    ready: () => send('READY=1'),
    status: (text) => send(`STATUS=${text}`),
    watchdog: () => send('WATCHDOG=1'),
    stopping: () => send('STOPPING=1'),
    reloading: () => send('RELOADING=1', `MONOTONIC_USEC=${String(process.hrtime.bigint() / 1_000n)}`),
    close() {
      open = false;
      relay.stdin.end();
    },
  };
}
