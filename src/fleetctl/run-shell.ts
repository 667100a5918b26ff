/**
 * Runs a line of shell for a person.
 * Promises: its output goes where fleetctl's goes; it is ended with all it started when it takes too long or fleetctl is.
 */
import { spawn } from 'node:child_process';

const limitMs = 60_000;

/** Answers null when it has ended with 0, else how it ended. */
export function runShell(command: string, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', command], { stdio: ['ignore', 'inherit', 'inherit'], detached: true });
    let late = false;
    const kill = (): void => {
      // Without a pid it was never started.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    const timer = setTimeout(() => {
      late = true;
      kill();
    }, limitMs);
    const end = (how: string | null): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', kill);
      resolve(how === null ? null : `"${command}" ${how}`);
    };
    child.on('error', (error) => end(`cannot be run: ${error.message}`));
    child.on('exit', (code, killedBy) => {
      if (late) end(`did not end within ${limitMs / 1_000} s and was killed`);
      else if (code === null) end(`was ended by ${killedBy ?? 'a signal'}`);
      else end(code === 0 ? null : `ended with exit status ${code}`);
    });
    signal.addEventListener('abort', kill, { once: true });
    if (signal.aborted) kill();
  });
}
