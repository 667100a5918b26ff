/** The commands and unit files of docs/ports.md, in their order, as they stand there. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { writeUnit } from './units.ts';

const document = join(import.meta.dirname, '../../docs/ports.md');

test('every command of docs/ports.md succeeds, and its unit files have nothing to warn of', async () => {
  const made = await cluster();
  const text = await readFile(document, 'utf8');
  const blocks = [...text.matchAll(/```(sh|ini)\n(.*?)```/gs)];
  assert.ok(blocks.length >= 6, `the document has its examples (found ${blocks.length})`);
  for (const [, kind, block = ''] of blocks) {
    if (kind === 'ini') {
      const name = /^# (\S+)/.exec(block)?.[1] ?? '';
      await writeUnit(made, name, block);
      assert.equal(await made.sh(`fleetctl verify ${name}`), '', name);
      continue;
    }
    for (const command of block.trimEnd().split('\n')) {
      const { code, stdout, stderr } = await made.machine('m85').exec(['bash', '-c', `cd /root\n${command}`]);
      assert.equal(code, 0, `${command}: ${stderr}${stdout}`);
    }
  }
  assert.equal(await made.sh('fleetctl ports list --no-legend'), '', 'the last command leaves no pool behind');
});
