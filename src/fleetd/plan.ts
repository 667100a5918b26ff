/**
 * What one fleetd process is to run, worked out from its configuration before anything is opened.
 * Promises: a process runs one machine, or several in a local fleet; each has directories of its own.
 */
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { MachineId } from '../core/machine.ts';
import type { PassedSocket } from '../host/activation.ts';
import type { Reserve } from '../host/facts.ts';

/** One machine this process runs. */
export interface MemberPlan {
  readonly id: MachineId;
  readonly hostname: string;
  readonly bootId: string;
  readonly address: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly reserve: Reserve;
  readonly runner: 'systemd' | 'supervisor';
  readonly unitsDirectory: string;
  /** What must outlive a restart of fleetd, and may go with a reboot. */
  readonly stateDirectory: string;
  /** What must outlive a reboot. */
  readonly dataDirectory: string;
}

/** What SIGHUP changes while everything goes on. */
export interface LiveSettings extends Pick<MemberPlan, 'address' | 'metadata' | 'reserve'> {
  readonly verbosity: number;
}

export interface FleetdPlan {
  readonly config: Config;
  readonly members: readonly [MemberPlan, ...MemberPlan[]];
  readonly passed: readonly PassedSocket[];
  /** Addresses of the API when systemd passed no socket. */
  readonly listen: readonly string[];
  readonly keeper: string;
  /** Says at stop time whether units stop with fleetd. */
  readonly onStop: () => Promise<'leave' | 'keep'>;
}

/** Where fleetd keeps things by default: the system's directories for root, the user's otherwise (XDG Base Directory Specification). */
export function defaultDirectories(isRoot: boolean, environment: NodeJS.ProcessEnv): { readonly data: string; readonly runtime: string } {
  if (isRoot) return { data: '/var/lib/fleet', runtime: '/run/fleet' };
  const home = environment['HOME'] ?? '/';
  const data = environment['XDG_DATA_HOME'] ?? join(home, '.local/share');
  const runtime = environment['XDG_RUNTIME_DIR'] ?? environment['XDG_STATE_HOME'] ?? join(home, '.local/state');
  return { data: join(data, 'fleet'), runtime: join(runtime, 'fleet') };
}

/** The default socket of the API beside the runtime directory: /run/fleet.sock, $XDG_RUNTIME_DIR/fleet.sock. */
export function defaultSocket(runtimeDirectory: string): string {
  return `${runtimeDirectory}.sock`;
}
