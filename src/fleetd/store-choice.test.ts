import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readConfig, type Config } from '../config.ts';
import { chooseStore } from './store-choice.ts';

describe('which store a machine uses', () => {
  let directory: string;
  before(async () => { directory = await mkdtemp(join(tmpdir(), 'fleet-choice-')); });
  after(() => rm(directory, { recursive: true }));

  function configured(text: string, data: string): Config {
    const config = readConfig({ file: { name: 'fleet.conf', text }, environment: {}, defaults: { dataDirectory: join(directory, data), unitsDirectory: '/run' } });
    assert.ok(config.ok);
    return config.value;
  }

  test('what is configured is taken', async () => {
    assert.equal((await chooseStore(configured('store=embedded', 'a'))).kind, 'embedded');
    const etcd = await chooseStore(configured('etcd_servers=http://192.0.2.1:2379', 'b'));
    assert.deepEqual(etcd, { kind: 'etcd', endpoints: ['http://192.0.2.1:2379'], why: 'etcd_servers is configured' });
  });

  test('a machine that has belonged to an etcd cluster never falls back by itself', async () => {
    await chooseStore(configured('etcd_servers=http://192.0.2.1:2379', 'c'));
    const later = await chooseStore(configured('', 'c'));
    assert.equal(later.kind, 'etcd');
    assert.match(later.why, /has belonged to that cluster before/);
    assert.equal((await chooseStore(configured('store=embedded', 'c'))).kind, 'embedded', 'only a person may decide that');
  });
});
