/**
 * The results of `npm run bench` as a file: rows by measure, each with date, machine and commit, target beside figure.
 * Promises: what a run has not measured keeps the rows of the run that did; what is written by hand (shortfalls.md) stands at the end.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { root, type Row } from './measure.ts';

/** The rows of one measure, and where they come from. */
export interface Taken {
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  /** Why there are no rows; '' when there are. */
  readonly failed: string;
  readonly rows: readonly Row[];
}

export type Results = Readonly<Record<string, Taken>>;

const dataFile = join(root, 'bench/results.json');

export function readResults(): Results {
  return existsSync(dataFile) ? JSON.parse(readFileSync(dataFile, 'utf8')) as Results : {};
}

/** Writes bench/results.json and bench/RESULTS.md, each whole or not at all. */
export function writeResults(results: Results, order: readonly string[]): void {
  const replace = (path: string, text: string): void => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  replace(dataFile, `${JSON.stringify(results, null, 1)}\n`);
  replace(join(root, 'bench/RESULTS.md'), page(results, order));
}

/** Date, machine and commit of what is measured now. */
export function provenance(): Omit<Taken, 'rows' | 'failed'> {
  const git = (...args: readonly string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', 'src', 'native', 'package-lock.json') === '' ? '' : ', with changes';
  const [cpu] = cpus();
  return {
    date: `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    commit: `${git('rev-parse', '--short', 'HEAD')}${changed}`,
    machine: `${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}, `
      + `load ${loadavg()[0]?.toFixed(1) ?? ''} before`,
  };
}

export function table(rows: readonly Row[]): string {
  const cells = (row: Row): readonly string[] => [row.what, row.target, row.figure, row.beside, row.met === null ? '' : row.met ? 'met' : '**not met**'];
  return ['| what | target | figure | beside it | |', '|---|---|---|---|---|', ...rows.map((row) => `| ${cells(row).join(' | ')} |`), ''].join('\n');
}

function page(results: Results, order: readonly string[]): string {
  const names = [...order.filter((name) => results[name] !== undefined), ...Object.keys(results).filter((name) => !order.includes(name))];
  const sections = names.map((name) => {
    const taken = results[name];
    if (taken === undefined) return '';
    const body = taken.failed === '' ? table(taken.rows) : `Not measured: ${taken.failed}\n`;
    return `## ${name[0]?.toUpperCase() ?? ''}${name.slice(1)}\n\n${taken.date}, commit ${taken.commit}; ${taken.machine}\n\n${body}`;
  });
  const shortfalls = join(root, 'bench/shortfalls.md');
  return [
    '# Measured', '',
    'Written by `npm run bench`; docs are in [README.md](README.md). Three machines booted by systemd-nspawn and one etcd share the host, so ratios',
    'measured in one run say more than milliseconds. "Systemd alone": the same machines without fleetd.', '',
    ...sections, existsSync(shortfalls) ? readFileSync(shortfalls, 'utf8') : '',
  ].join('\n');
}
