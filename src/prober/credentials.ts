/**
 * Whom a health check's command runs as: the unit's own user.
 * Promises: the user and groups of the unit's main process when that runs as User=, which is right for DynamicUser= and
 * SupplementaryGroups= too; else those that the system's user database has for User= and Group=. A check of a unit with a user
 * never runs as root instead.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { ProbeRequest } from '../core/unit-care.ts';

/** Arguments of setpriv(1), or why the command cannot be run. */
export type Credentials =
  | { readonly ok: true; readonly arguments: readonly string[] }
  | { readonly ok: false; readonly why: string };

interface Ids {
  readonly user: number;
  readonly group: number;
  readonly groups: readonly number[];
}

const asFleetd: Credentials = { ok: true, arguments: [] };
const lookupMsMax = 5_000;

export async function credentialsOf({ user, mainPid }: Pick<ProbeRequest, 'user' | 'mainPid'>, signal: AbortSignal): Promise<Credentials> {
  if (user.user === '' && user.group === '' && !user.dynamic) return asFleetd;
  const running = await idsOfProcess(mainPid);
  // A main process that runs as root in spite of User= was started with full privileges (ExecStart=+…).
  if (running !== null && running.user !== 0) return become(running);
  if (user.user === '') {
    if (user.dynamic) return { ok: false, why: 'the unit has DynamicUser= and no main process whose user could be taken' };
    return becomeGroup(user.group, signal);
  }
  const found = await lookUp(user.user, signal);
  if (found === null) return { ok: false, why: `there is no user "${user.user}" on this machine` };
  if (user.group === '') return become(found);
  const group = await groupId(user.group, signal);
  return group === null ? noGroup(user.group) : become({ ...found, group });
}

function noGroup(group: string): Credentials {
  return { ok: false, why: `there is no group "${group}" on this machine` };
}

async function becomeGroup(name: string, signal: AbortSignal): Promise<Credentials> {
  const group = await groupId(name, signal);
  return group === null ? noGroup(name) : { ok: true, arguments: [`--regid=${String(group)}`, '--clear-groups'] };
}

function become({ user, group, groups }: Ids): Credentials {
  if (process.getuid?.() === user && process.getgid?.() === group) return asFleetd;
  if (process.getuid?.() !== 0) return { ok: false, why: `fleetd does not run as root and cannot become user ${String(user)}` };
  const more = groups.length === 0 ? '--clear-groups' : `--groups=${groups.join(',')}`;
  return { ok: true, arguments: [`--reuid=${String(user)}`, `--regid=${String(group)}`, more] };
}

/** From /proc/PID/status (proc(5)): real, effective, saved and file system ids; the effective ones count. */
async function idsOfProcess(pid: number): Promise<Ids | null> {
  if (pid === 0) return null;
  const text = await readFile(`/proc/${String(pid)}/status`, 'utf8').catch(() => ''); // It has ended.
  const numbers = (key: string): readonly number[] => {
    const line = new RegExp(`^${key}:[ \\t]*(.*)$`, 'm').exec(text)?.[1] ?? '';
    return line.split(/\s+/).filter((word) => word !== '').map(Number);
  };
  const [user, group] = [numbers('Uid')[1], numbers('Gid')[1]];
  return user === undefined || group === undefined ? null : { user, group, groups: numbers('Groups') };
}

/** User by name or number, with its groups; null when there is none. */
async function lookUp(name: string, signal: AbortSignal): Promise<Ids | null> {
  const numbers = async (option: string): Promise<readonly number[] | null> => {
    const text = await output('id', [option, '--', name], signal);
    return text === null ? null : text.trim().split(/\s+/).map(Number);
  };
  const [users, groups] = [await numbers('-u'), await numbers('-G')];
  // The first of `id -G` is the user's own group.
  const [user, group] = [users?.[0], groups?.[0]];
  return user === undefined || group === undefined ? null : { user, group, groups: groups ?? [] };
}

async function groupId(name: string, signal: AbortSignal): Promise<number | null> {
  const text = await output('getent', ['group', '--', name], signal);
  const id = text?.split(':')[2];
  return id === undefined ? null : Number(id);
}

/** What a command prints; null when it fails. */
async function output(command: string, words: readonly string[], signal: AbortSignal): Promise<string | null> {
  try {
    return (await promisify(execFile)(command, words, { signal, timeout: lookupMsMax })).stdout;
  } catch {
    signal.throwIfAborted();
    return null;
  }
}
