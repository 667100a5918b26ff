/** The example of docs/releases.md, typed as it stands there: every command succeeds, and units are on the ports it says. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { writeUnit } from './units.ts';

const document = join(import.meta.dirname, '../../docs/releases.md');

interface Example {
  readonly name: string;
  readonly unit: string;
  readonly commands: readonly { readonly command: string; readonly ports: readonly number[] }[];
}

/** The unit file and the commands of the first example, each with the ports its comment names. */
async function example(): Promise<Example> {
  const text = await readFile(document, 'utf8');
  const [, name = '', unit = '', script = ''] = /```ini\n# (\S+)\n(.*?)```.*?```sh\n(.*?)```/s.exec(text) ?? [];
  const commands = script.trimEnd().split('\n').map((line) => {
    const [command = '', comment = ''] = line.split(/\s+#/);
    return { command, ports: [...comment.matchAll(/\b2\d{4}\b/g)].map(([port]) => Number(port)) };
  });
  return { name, unit, commands };
}

test('every command of the document succeeds in its order, on the ports that stand beside it', async () => {
  const made = await cluster();
  const { name, unit, commands } = await example();
  assert.ok(commands.length >= 9, `the example has its commands (found ${commands.length})`);
  assert.ok(commands.filter(({ ports }) => ports.length > 0).length >= 3, 'and its ports');
  for (const machine of made.machines) await machine.sh('ln -sf /usr/local/bin/fake-docker /usr/bin/docker');
  await writeUnit(made, name, unit);
  try {
    for (const { command, ports } of commands) {
      const { code, stdout, stderr } = await made.machine('m85').exec(['bash', '-c', `cd /root\n${command}`]);
      assert.equal(code, 0, `${command}: ${stderr}${stdout}`);
      if (ports.length === 0) continue;
      const listed = JSON.parse((await made.fleetctl('list-units', '--output=json')).stdout) as readonly { readonly ports: object }[];
      assert.deepEqual(listed.flatMap((status) => Object.values(status.ports) as number[]).sort(), ports, command);
    }
  } finally {
    for (const machine of made.machines) await machine.sh('rm -f /usr/bin/docker');
  }
});
