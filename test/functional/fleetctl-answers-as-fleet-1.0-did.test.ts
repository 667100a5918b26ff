/**
 * The commands of a recorded run of fleet 1.0, typed on a real machine of a real cluster: output, exit codes and the life of units.
 * testdata/fleet-1.0.txt has the form of the recordings: `$ file NAME` with lines `| `, `$ fleetctl ...`, then `1> ` standard output,
 * `2> ` standard error and the exit code. UPDATE_GOLDEN=1 rewrites the answers; docs/migrating-from-coreos-fleet.md says where and why
 * they are not fleet 1.0's.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cluster, type Cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { writeUnit } from './units.ts';

const path = join(import.meta.dirname, 'testdata/fleet-1.0.txt');

const marked = (mark: string, text: string): readonly string[] =>
  text === '' ? [] : text.replace(/\n$/, '').split('\n').map((line) => `${mark}> ${line}`);

/** Units are told in the order in which their machine reports them, which differs from run to run: neighbouring ones are put in order. */
function inOrder(lines: readonly string[]): readonly string[] {
  const isReport = (line = ''): boolean => / (launched|loaded) on /.test(line);
  const start = lines.findIndex(isReport);
  if (start === -1) return lines;
  const length = lines.slice(start).findIndex((line) => !isReport(line));
  const end = length === -1 ? lines.length : start + length;
  return [...lines.slice(0, start), ...lines.slice(start, end).sort(), ...inOrder(lines.slice(end))];
}

/** Answers without what differs from run to run: machines report a stop or a start a moment after it has been asked for. */
async function answerTo(shared: Cluster, line: string): Promise<readonly string[]> {
  if (/ list-/.test(line)) await settled(shared);
  const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '').slice(2);
  const { code, stdout, stderr } = await shared.fleetctl(...words);
  // What the next command says depends on how far the machines have come with what this one did not wait for.
  if (words.includes('--no-block')) await settled(shared);
  return [...inOrder(marked('1', stdout)), ...marked('2', stderr), `rc=${code}`];
}

/** Until list-units says of every unit what was asked for last. */
async function settled({ fleetctl }: Cluster): Promise<void> {
  await until(async () => {
    const { stdout } = await fleetctl('list-unit-files', '--no-legend', '--fields=unit,dstate,state,global');
    return stdout.split('\n').every((row) => {
      const [, wanted, state, isGlobal] = row.split(/\t+/);
      return isGlobal !== 'false' || wanted === state || row.startsWith('fmt.service');
    });
  }, 'every unit is what was asked for');
}

test('every command of the recorded run ends as it is written down', async () => {
  const shared = await cluster();
  const wanted = await readFile(path, 'utf8');
  const lines = wanted.split('\n');
  const shown: string[] = [];
  for (const [at, line] of lines.entries()) {
    if (/^(1>|2>|rc=|\|)/.test(line)) continue;
    shown.push(line);
    if (line.startsWith('$ file ')) {
      const end = lines.findIndex((each, index) => index > at && !each.startsWith('|'));
      const body = lines.slice(at + 1, end);
      shown.push(...body);
      await writeUnit(shared, line.slice('$ file '.length), body.map((each) => `${each.slice(2)}\n`).join(''));
    }
    if (line.startsWith('$ fleetctl')) shown.push(...await answerTo(shared, line));
  }
  const text = shown.join('\n');
  if (process.env['UPDATE_GOLDEN'] === '1') await writeFile(path, text);
  else assert.equal(text, wanted, firstDifference(shown, lines));
});

/** The first line that is another one, with what is around it: the whole run is too long for a message. */
function firstDifference(shown: readonly string[], wanted: readonly string[]): string {
  const at = shown.findIndex((line, index) => line !== wanted[index]);
  const around = (lines: readonly string[]): string => lines.slice(Math.max(0, at - 3), at + 4).join('\n');
  return `line ${at + 1}, answered:\n${around(shown)}\n\nwritten down:\n${around(wanted)}`;
}
