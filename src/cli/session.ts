/** What one verb gets to work with, and what it is: a function from a session to an exit code. */
import type { FleetClient } from '../client/client.ts';
import type { Failure, Result } from '../core/failure.ts';
import type { Flags } from './arguments.ts';
import type { Environment } from './environment.ts';

/** The exit codes of fleetctl; `status` passes on what systemctl's was. */
export const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

export interface Session {
  readonly environment: Environment;
  readonly flags: Flags;
  /** The arguments behind the verb that are no flags. */
  readonly words: readonly string[];
  /** A client of the cluster; for verbs that work offline every call of it throws. */
  readonly client: FleetClient;
  /** The help text of a verb, or of fleetctl itself. */
  readonly help: (word: string | undefined) => Result<string>;
}

/**
 * Carries out a verb and says with which code fleetctl ends. Throws ApiError and Unreachable on: one place prints them.
 */
export type Verb = (session: Session) => Promise<number>;

/** Prints a line for people on stderr. */
export function complain(session: { readonly environment: Environment }, line: string): void {
  session.environment.stderr.write(`${line}\n`);
}

/** Says why a verb does nothing, and with which code fleetctl ends: 2 when the command line is what is wrong. */
export function refuse(session: { readonly environment: Environment }, { code, message }: Failure): number {
  complain(session, message);
  return code === 'USAGE_INVALID' ? exitCodes.usage : exitCodes.failed;
}

/** Who asks, for what the cluster remembers: whoever called sudo, else the user; empty when neither is known. */
export function whoAsks({ environment: { env } }: { readonly environment: Environment }): string {
  return env['SUDO_USER'] ?? env['USER'] ?? '';
}

/** Prints a line of output. */
export function print(session: { readonly environment: Environment }, line: string): void {
  session.environment.stdout.write(`${line}\n`);
}

/** Prints a value as JSON, for `--output json`. */
export function printJson(session: { readonly environment: Environment }, value: object): void {
  print(session, JSON.stringify(value, null, 2));
}
