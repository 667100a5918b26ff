/**
 * A health check by command: exit status 0 is well.
 * Promises: the command runs as the unit's own user with its groups, without new privileges, with a plain environment and
 * without a terminal; its process group is killed when the check ends or takes too long, and the kernel kills it when fleetd
 * dies; of its output the first few kilobytes are kept. Why setpriv(1) and no transient unit: docs/decisions/health-commands.md.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { ProbeRequest } from '../core/unit-care.ts';
import { credentialsOf } from './credentials.ts';

const outputBytesMax = 4_096;
/** systemd's default for services of the system manager (systemd.exec(5) "ENVIRONMENT VARIABLES"). */
const plainPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin';
/** setpriv(1) says so when it could not run the command at all. */
const notRun: ReadonlySet<number> = new Set([126, 127]);

export async function probeCommand(words: readonly string[], request: ProbeRequest, signal: AbortSignal): Promise<string | null> {
  const credentials = await credentialsOf(request, signal);
  if (!credentials.ok) return credentials.why;
  const child = spawn('setpriv', [...credentials.arguments, '--no-new-privs', '--pdeathsig=KILL', '--', ...words], {
    cwd: '/', env: { PATH: plainPath, ...request.variables }, stdio: ['ignore', 'pipe', 'pipe'], detached: true,
  });
  const output = keepOutput(child);
  const end = await ended(child, signal);
  killGroup(child);
  if (end.error !== null) return `cannot run setpriv: ${end.error.message}`;
  if (end.code === 0) return null;
  const how = end.code === null ? `was ended by ${end.killedBy ?? 'a signal'}` : `ended with exit status ${String(end.code)}`;
  const what = end.code !== null && notRun.has(end.code) ? 'could not be run' : how;
  return `${words[0] ?? ''} ${what}${output() === '' ? '' : `: ${output()}`}`;
}

interface End {
  readonly code: number | null;
  readonly killedBy: NodeJS.Signals | null;
  readonly error: Error | null;
}

/** Waits for the command itself; who holds its output open after that is not waited for. */
function ended(child: ChildProcess, signal: AbortSignal): Promise<End> {
  return new Promise((resolve) => {
    const finish = (end: End): void => {
      signal.removeEventListener('abort', kill);
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve(end);
    };
    const kill = (): void => killGroup(child);
    child.on('error', (error) => finish({ code: null, killedBy: null, error }));
    child.on('exit', (code, killedBy) => setImmediate(finish, { code, killedBy, error: null }));
    signal.addEventListener('abort', kill, { once: true });
    if (signal.aborted) kill();
  });
}

/** The command was started in a process group of its own; what it left behind in there ends with it. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Keeps the begin of what the command prints and lets the rest go, so that it is never held up by a full pipe. */
function keepOutput(child: ChildProcess): () => string {
  const kept: Buffer[] = [];
  let bytes = 0;
  for (const stream of [child.stderr, child.stdout]) {
    stream?.on('data', (chunk: Buffer) => {
      const piece = chunk.subarray(0, outputBytesMax - bytes);
      if (piece.length > 0) kept.push(piece);
      bytes += piece.length;
    });
  }
  return () => Buffer.concat(kept).toString('utf8').trim();
}
