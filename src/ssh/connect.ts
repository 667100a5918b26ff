/**
 * Opens SSH connections with the keys of an ssh-agent.
 * Promises: the host's key is checked before anything is said to it; the wait for a host is bounded, the time a person
 * thinks is not part of it; every failure is one line that names the host and what to do.
 */
import type { Duplex } from 'node:stream';
import { Client } from 'ssh2';
import type { ConnectConfig, ServerHostKeyAlgorithm } from 'ssh2';
import type { Clock } from '../lib/clock.ts';
import { startTimer } from '../lib/deadline.ts';
import type { HostCheck } from './host-check.ts';
import { knownHostName } from './known-hosts.ts';
import { SshFailure } from './ssh.ts';
import type { SshDestination, SshHost, SshOptions } from './ssh.ts';

/** A connection that says nothing for three times as long is over. */
const keepaliveMs = 15_000;

export interface ConnectNeeds {
  readonly clock: Clock;
  /** Path of the ssh-agent's socket (SSH_AUTH_SOCK); '' when there is none. */
  readonly agent: string;
  readonly hostCheck: HostCheck;
}

/** One or two connections: the last is to the destination, a first one to the host it goes through. */
export interface Connected {
  readonly client: Client;
  close(): void;
}

export async function connectSsh(
  destination: SshDestination,
  how: { readonly needs: ConnectNeeds; readonly options: SshOptions },
  signal: AbortSignal,
): Promise<Connected> {
  if (how.needs.agent === '')
    throw new SshFailure('SSH_AUTH_SOCK environment variable is not set. Verify ssh-agent is running.');
  if (destination.through === null) {
    const client = await connectTo(destination, { ...how, sock: null }, signal);
    return { client, close: () => client.end() };
  }
  const bastion = await connectTo(destination.through, { ...how, sock: null }, signal);
  try {
    const sock = await openTcp(bastion, destination);
    const client = await connectTo(destination, { ...how, sock }, signal);
    return {
      client,
      close() {
        client.end();
        bastion.end();
      },
    };
  } catch (error) {
    bastion.end();
    throw error;
  }
}

/** A stream to `host` as seen from the other end of the connection. */
export function openTcp(client: Client, { host, port }: SshHost): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    client.forwardOut('127.0.0.1', 0, host, port, (error, channel) => {
      if (error === undefined) resolve(channel);
      else reject(new SshFailure(`cannot reach ${knownHostName({ host, port })} from there: ${sayChannel(error)}`));
    });
  });
}

/** ssh2 puts "(SSH) Channel open failure: " before what the other side says. */
export function sayChannel(error: Error): string {
  return error.message.replace(/^\(SSH\) /, '').replace(/^Channel open failure: /, '');
}

interface How {
  readonly needs: ConnectNeeds;
  readonly options: SshOptions;
  /** The way there when it is not direct. */
  readonly sock: Duplex | null;
}

/** Types of host keys in the order of preference, strongest first. */
const hostKeyTypes: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521',
  'rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa',
];

/** The signature algorithms of one key type: an ssh-rsa key signs in three ways. */
function typeOf(algorithm: string): string {
  return algorithm.startsWith('rsa-sha2-') ? 'ssh-rsa' : algorithm;
}

async function connectTo(host: SshHost, { needs, options, sock }: How, signal: AbortSignal): Promise<Client> {
  const known = await needs.hostCheck.knownTypes(host);
  const first = hostKeyTypes.filter((algorithm) => known.includes(typeOf(algorithm)));
  const name = knownHostName(host);
  const client = new Client();
  let refusal: Error | null = null;
  const timer = createTimer(needs.clock, options.timeoutMs);
  const config: ConnectConfig = {
    ...(sock === null ? { host: host.host, port: host.port } : { sock }),
    username: options.username,
    agent: needs.agent,
    agentForward: options.forwardsAgent,
    readyTimeout: 0,
    keepaliveInterval: keepaliveMs,
    algorithms: { serverHostKey: [...new Set([...first, ...hostKeyTypes])] },
    hostVerifier: (key: Buffer, decide: (isTrusted: boolean) => void) => {
      timer.pause();
      needs.hostCheck.check(host, key).then(
        () => {
          timer.start();
          decide(true);
        },
        (error: unknown) => {
          refusal = error as Error;
          decide(false);
        },
      );
    },
  };
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      timer.pause();
      signal.removeEventListener('abort', stop);
      client.destroy();
      reject(error);
    };
    const stop = (): void => fail(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) return stop();
    const late = `no answer from ${name} within ${options.timeoutMs / 1_000} s (--ssh-timeout)`;
    timer.onLate = () => fail(new SshFailure(late));
    client.once('ready', () => {
      timer.pause();
      signal.removeEventListener('abort', stop);
      // Whoever uses the connection hears of its end by the end of its channels.
      client.on('error', () => undefined);
      resolve(client);
    });
    const at = { name, username: options.username, agent: needs.agent };
    client.on('error', (error) => fail(refusal ?? new SshFailure(sayWhy(error, at))));
    client.once('close', () => fail(refusal ?? new SshFailure(`${name} has closed the connection`)));
    timer.start();
    client.connect(config);
  });
}

interface Timer {
  onLate: () => void;
  start(): void;
  pause(): void;
}

/** A time limit that stands still between pause() and start(). */
function createTimer(clock: Clock, limitMs: number): Timer {
  let stop = (): void => undefined;
  const timer: Timer = {
    onLate: () => undefined,
    start() {
      stop = startTimer({ clock, limitMs }, () => timer.onLate());
    },
    pause: () => stop(),
  };
  return timer;
}

const hints: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused; look whether sshd runs there, and on which port',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'the network is unreachable',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the name server does not answer',
  ECONNRESET: 'the connection was closed',
};

function sayWhy(
  error: Error & { readonly level?: string; readonly code?: string },
  at: { readonly name: string; readonly username: string; readonly agent: string },
): string {
  const { name, username, agent } = at;
  if (error.level === 'client-authentication')
    return (
      `${name} accepts no key of the ssh-agent for the user ${username}; ` +
      'add one with ssh-add, or name the user with --ssh-username'
    );
  if (error.level === 'agent') return `the ssh-agent at SSH_AUTH_SOCK=${agent} does not answer; look whether it runs`;
  return `cannot reach ${name}: ${hints[error.code ?? ''] ?? error.message}`;
}
