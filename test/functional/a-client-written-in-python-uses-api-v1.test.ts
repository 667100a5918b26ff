/** A foreign client, Python's standard library, works with API v1: units, states, machines, metadata, pages, refusals. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cluster } from './cluster.ts';

test('a client that knows fleet 1.0\'s documentation alone finds everything as it is documented', async () => {
  const shared = await cluster();
  const script = await readFile(join(import.meta.dirname, 'testdata/foreign_client.py'), 'utf8');
  const { code, stdout, stderr } = await shared.machine('m85').exec(['python3', '-', '/run/fleet.sock'], { input: script });
  assert.deepEqual([code, stdout], [0, 'ok\n'], stderr);
});
