/** The tour of docs/fleetctl.md, typed as it stands there, succeeds command by command on the first machine of a cluster. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cluster } from './cluster.ts';

const document = join(import.meta.dirname, '../../docs/fleetctl.md');

/** What the tour's unit file is called, its text, and the commands without their comments. */
async function tour(): Promise<{ readonly name: string; readonly unit: string; readonly commands: readonly string[] }> {
  const text = await readFile(document, 'utf8');
  const [, name = '', unit = '', script = ''] = /\n## A tour\n.*?```ini\n# (\S+)\n(.*?)```.*?```sh\n(.*?)```/s.exec(text) ?? [];
  return { name, unit, commands: script.trimEnd().split('\n').map((line) => line.replace(/\s+#.*$/, '')) };
}

test('every command of the tour succeeds in its order, and the last one leaves no unit behind', async () => {
  const { machine, sh } = await cluster();
  const { name, unit, commands } = await tour();
  assert.ok(commands.length >= 8, `the tour has its commands (found ${commands.length})`);
  await sh(`cat >'${name}' <<'UNIT'\n${unit}UNIT`);
  for (const command of commands) {
    const { code, stdout, stderr } = await machine('m85').exec(['bash', '-c', `cd /root\n${command}`]);
    assert.equal(code, 0, `${command}: ${stderr}${stdout}`);
  }
  assert.equal((await sh('fleetctl list-unit-files --no-legend')).trim(), '');
});
