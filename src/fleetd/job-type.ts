/**
 * Whether fleetd is being stopped for good or only restarted (promise 7).
 * Promises: a restart, an upgrade or a crash never takes units down; a stop by a person or a power-off does.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Longest wait for systemd's answer. */
const askTimeoutMs = 3_000;

/**
 * Under systemd the type of our own unit's job says it: a stop job, or the machine going down, means leaving. Without an answer the units
 * are kept, because stopping them by mistake is the worse mistake. A supervisor without systemd is stopped by a person: its units stop.
 */
export async function stopOrRestart(environment: NodeJS.ProcessEnv, runner: 'systemd' | 'supervisor'): Promise<'leave' | 'keep'> {
  if (environment['INVOCATION_ID'] === undefined) return runner === 'supervisor' ? 'leave' : 'keep';
  try {
    const { stdout } = await promisify(execFile)('systemctl', ['list-jobs', '--no-legend', '--plain'], { timeout: askTimeoutMs });
    const jobs = stdout.split('\n').map((line) => line.trim().split(/\s+/));
    const goingDown = jobs.some(([, unit, type]) => unit === 'shutdown.target' && type === 'start');
    const own = jobs.find(([, unit]) => unit === 'fleet.service');
    return goingDown || own?.[2] === 'stop' ? 'leave' : 'keep';
  } catch {
    return 'keep';
  }
}
