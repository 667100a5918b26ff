/**
 * Everything fleetctl takes from the process around it, as one value.
 * Promises: no other file of cli/ touches process, console, files or clocks, so a test owns all of them.
 */
import type { ClientOptions, FleetClient } from '../client/client.ts';
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import type { OpenSsh } from '../ssh/ssh.ts';

/** Where text goes. */
export interface Output {
  write(text: string): void;
}

/** How to reach a cluster's etcd directly. */
export interface EtcdDriverOptions {
  /** URLs of etcd members. */
  readonly endpoints: readonly string[];
  readonly keyPrefix: string;
  readonly timeoutMs: number;
  /** Contents of the PEM files of --ca-file, --cert-file and --key-file. */
  readonly tls: ClientOptions['tls'];
  /** The name in the certificate of an endpoint whose address says something else, because a tunnel leads there. */
  readonly serverName?: string;
}

export interface Environment {
  /** Environment variables: FLEETCTL_*, XDG_RUNTIME_DIR, HOME and USER are read. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Whether the user is root. */
  readonly isRoot: boolean;
  readonly version: string;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly clock: Clock;
  readonly random: Random;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly interrupted: AbortSignal;
  /** A file's bytes. Rejects as node:fs does: an error with a `code`. */
  readFile(path: string): Promise<Uint8Array>;
  fileExists(path: string): Promise<boolean>;
  /** Replaces a file's text in one step; mode and owner stay. */
  replaceFile(path: string, text: string): Promise<void>;
  /** Writes a file that only its owner may read, whole or not at all. Rejects as node:fs or `pieces` do. */
  writePrivately(path: string, pieces: AsyncIterable<string>): Promise<void>;
  /** A file's text, piece by piece. */
  readPieces(path: string): AsyncIterable<string>;
  /** Removes a file, if there is one. */
  removeFile(path: string): Promise<void>;
  /** Runs a line of shell; answers null when it has ended with 0, else how it ended, as one line. */
  runShell(command: string, signal: AbortSignal): Promise<string | null>;
  /** Opens an SSH connection that uses the standard input and output of the process. */
  readonly openSsh: OpenSsh;
  /** Passes standard input to a unix socket and its answer to standard output, until the socket's side ends. */
  forwardToSocket(path: string, signal: AbortSignal): Promise<void>;
  /** Makes a client of the HTTP API; nothing is dialled yet. */
  connect(options: ClientOptions): Promise<FleetClient>;
  /**
   * Makes a client that works on etcd without any fleetd; absent where that driver is not built in. Rejects, when etcd
   * does not answer, with an Error whose message is one line for people.
   */
  readonly openEtcdDriver?: (options: EtcdDriverOptions, signal: AbortSignal) => Promise<FleetClient>;
}
