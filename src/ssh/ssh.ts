/**
 * SSH connections as the rest of fleet sees them: what to connect to, and what a connection can do.
 * Promises: types and failures only; the code that speaks SSH is loaded when a connection is opened.
 */

/** A host and its port. */
export interface SshHost {
  readonly host: string;
  readonly port: number;
}

/** Where to go, and the host to go through (--tunnel); null: directly. */
export interface SshDestination extends SshHost {
  readonly through: SshHost | null;
}

/** How to connect. */
export interface SshOptions {
  readonly username: string;
  /** Longest wait for one host, without the time a person takes to answer. */
  readonly timeoutMs: number;
  /** File of host keys that are trusted; null: every key is. */
  readonly knownHostsFile: string | null;
  /** Whether commands over there may use the keys of the agent over here. */
  readonly forwardsAgent: boolean;
}

/** What a tunnel can reach, as seen from the host at its end. */
export type SshTarget = { readonly socketPath: string } | SshHost;

/** An open connection. */
export interface SshConnection {
  /**
   * Runs a command in the shell of the other side, or the shell itself, with the input and output of this process.
   * Resolves with its exit status: 128 and the number of the signal when it was killed, 255 when the connection broke.
   */
  run(command: string | null, signal: AbortSignal): Promise<number>;
  /**
   * Makes a unix socket here whose connections arrive over there at `target`; resolves with its path once the first
   * one has been opened. Throws SshFailure when it cannot be.
   */
  forwardSocket(target: SshTarget): Promise<string>;
  /** The same with a port of 127.0.0.1, for clients that know ports only. */
  forwardPort(target: SshTarget): Promise<number>;
  close(): Promise<void>;
}

/** Opens connections. Throws SshFailure. */
export type OpenSsh = (
  destination: SshDestination,
  options: SshOptions,
  signal: AbortSignal,
) => Promise<SshConnection>;

/** Why there is no connection, as one line for people. */
export class SshFailure extends Error {
  override readonly name = 'SshFailure';
}
