/** What README.md tells a newcomer to type has to work, word for word, on the first machine of a cluster. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cluster } from './cluster.ts';

const readme = join(import.meta.dirname, '../../README.md');

/** `journal -f` goes on until it is ended: it gets three seconds, and being ended then (timeout(1): 124) is success. */
const followSeconds = 3;

/** The commands of a console block: lines that begin with a prompt, each with the lines of its here-document. */
function commandsOf(block: string): readonly string[] {
  return block.split(/^\$ /m).slice(1).map((command) => command.trimEnd());
}

async function tour(): Promise<readonly string[]> {
  const text = await readFile(readme, 'utf8');
  const block = /^Then, on any of them:\n\n```console\n(.*?)^```$/ms.exec(text)?.[1];
  assert.ok(block !== undefined, 'README.md has a console block behind "Then, on any of them:"');
  return commandsOf(block);
}

test('every command of the README\'s tour succeeds in its order', async () => {
  const { machines } = await cluster();
  const [first] = machines;
  assert.ok(first !== undefined);
  const commands = await tour();
  assert.ok(commands.length >= 8, `the tour has its commands (found ${commands.length})`);
  for (const command of commands) {
    const follows = / -f /.test(command);
    const bounded = follows ? `timeout ${followSeconds} ${command}` : command;
    const { code, stdout, stderr } = await first.exec(['bash', '-c', `cd /root\n${bounded}`]);
    assert.equal(code, follows ? 124 : 0, `${command}: ${stderr}${stdout}`);
    if (follows) assert.match(stdout, /hello from 1/);
  }
  assert.equal((await first.sh('fleetctl list-unit-files --no-legend')).trim(), '', 'the tour leaves no unit behind');
});
