/**
 * What a measure of `npm run bench` is: a file that measures something and answers with rows for bench/RESULTS.md.
 * A further measure is one more file and one more line in measures.ts.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchCluster } from './cluster.ts';

export const root: string = dirname(dirname(fileURLToPath(import.meta.url)));

/** One line of the results. */
export interface Row {
  readonly what: string;
  /** What is to be reached, as the results show it; '' when the row only informs. */
  readonly target: string;
  readonly figure: string;
  /** What was measured in the same run to compare it with, or how it came about; '' when there is nothing to say. */
  readonly beside: string;
  /** Whether the target is met; null when there is none. */
  readonly met: boolean | null;
}

export interface Bench {
  /** The short run: fewer rounds and sizes. */
  readonly quick: boolean;
  /** Three machines with fleet and no unit; booted when first asked for. */
  cluster(): Promise<BenchCluster>;
  /** Tells the person who waits. */
  say(text: string): void;
}

export interface Measure {
  readonly name: string;
  /** Whether it belongs to the short run, too. */
  readonly quick: boolean;
  /** Longest it may take; it is given up then. */
  readonly limitMs: number;
  measure(bench: Bench): Promise<readonly Row[]>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] ?? NaN : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

export function ms(value: number): string {
  if (value >= 10_000) return `${(value / 1_000).toFixed(1)} s`;
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

export const times = (ratio: number): string => `${ratio.toFixed(2)}×`;

/** A row about a ratio to what was measured beside it; both in milliseconds. */
export function ratioRow(what: string, limit: number, { tookMs, besideMs, beside }: { tookMs: number; besideMs: number; beside: string }): Row {
  const ratio = tookMs / besideMs;
  return { what, target: `≤ ${limit}×`, figure: `${times(ratio)}: ${ms(tookMs)}`, beside: `${beside} ${ms(besideMs)}`, met: ratio <= limit };
}

/** What a script of this repository that measures by itself prints; the person who waits sees it, too. Throws when it fails. */
export async function linesOfScript(bench: Bench, script: string, args: readonly string[] = []): Promise<readonly string[]> {
  const words = ['--disable-warning=ExperimentalWarning', join(root, script), ...args];
  const child = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const stop = (): void => void child.kill('SIGKILL');
  process.once('exit', stop);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => { output += chunk; });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  process.off('exit', stop);
  if (code !== 0) throw new Error(`${script} ended with ${String(code)}`);
  const lines = output.split('\n').filter((line) => line !== '');
  for (const line of lines) bench.say(`  ${line}`);
  return lines;
}
