import { strict as assert } from 'node:assert';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { FileHash } from '../../core/unit.ts';
import type { UnitName } from '../../core/unit-name.ts';
import { readNameOwners } from './name-owners.ts';
import { stageFile } from './staged-file.ts';
import { blankMemory, openUnitMemories } from './unit-memory.ts';
import type { UnitMemories } from './unit-memory.ts';

const a = 'a.service' as UnitName;
const memory = { ...blankMemory, hash: 'a'.repeat(40) as FileHash, renderedHash: 'r', restart: 5, dropIns: ['10-fleet.conf'] };

async function withDirectory(body: (directory: string, open: () => Promise<UnitMemories>) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'fleet-memory-'));
  try {
    await body(directory, () => openUnitMemories({ units: join(directory, 'units'), memories: join(directory, 'memories') }));
  } finally {
    await rm(directory, { recursive: true });
  }
}

test('what is remembered of a unit outlives the process', () => withDirectory(async (directory, open) => {
  const before = await open();
  await writeFile(join(directory, 'units', a), '');
  await before.save(a, memory);
  await before.change(a, { restart: 6 });
  assert.deepEqual((await open()).get(a), { ...memory, restart: 6 });
}));

test('a unit file without memory is known and blank, torn memory counts as none', () => withDirectory(async (directory, open) => {
  await open();
  await writeFile(join(directory, 'units', a), '');
  assert.equal((await open()).get(a), blankMemory);
  for (const torn of ['', '{"hash":', '{"hash":1}', 'null']) {
    await writeFile(join(directory, 'memories', a), torn);
    assert.equal((await open()).get(a), blankMemory, torn);
  }
}));

test('memory of a unit whose file is gone is forgotten; files that are no units are not units', () =>
  withDirectory(async (directory, open) => {
    const memories = await open();
    await writeFile(join(directory, 'units', a), '');
    await writeFile(join(directory, 'units', '.new-1234'), '');
    await memories.save(a, memory);
    await rm(join(directory, 'units', a));
    await memories.followDirectory();
    assert.deepEqual(memories.names(), []);
    await open();
    assert.deepEqual(await readdir(join(directory, 'memories')), []);
  }));

test('what happens in a directory that was long as it is is seen', () => withDirectory(async (directory, open) => {
  const memories = await open();
  const units = join(directory, 'units');
  await utimes(units, 1, 1);
  await memories.followDirectory();
  await writeFile(join(units, a), '');
  await memories.followDirectory();
  assert.deepEqual(memories.names(), [a]);
  await utimes(units, 2, 2);
  await memories.followDirectory();
  await rm(join(units, a));
  await memories.followDirectory();
  assert.deepEqual(memories.names(), []);
}));

test('a staged file changes nothing before it is committed, and nothing when it is discarded', () => withDirectory(async (directory) => {
  const path = join(directory, 'deep', 'file');
  await (await stageFile(path, 'old')).commit();
  const staged = await stageFile(path, 'new');
  assert.equal(await readFile(path, 'utf8'), 'old');
  await staged.discard();
  assert.deepEqual(await readdir(join(directory, 'deep')), ['file']);
  await (await stageFile(path, 'new')).commit();
  assert.equal(await readFile(path, 'utf8'), 'new');
}));

test('a file that cannot be written is named with the reason', () => withDirectory(async (directory) => {
  await writeFile(join(directory, 'file'), '');
  await assert.rejects(stageFile(join(directory, 'file', 'x'), ''),
    (error: Error) => error.message === `cannot write ${join(directory, 'file', 'x')}: ENOTDIR: not a directory`);
}));

test("names of the machine's own units are told from fleet's links", () => withDirectory(async (directory) => {
  const [own, etc, run, absent] = ['own', 'etc', 'run', 'absent'].map((name) => join(directory, name)) as [string, string, string, string];
  for (const path of [own, etc, run, join(etc, 'dir.service')]) await mkdir(path);
  await writeFile(join(etc, 'ssh.service'), '');
  await writeFile(join(etc, 'tty@.service'), '');
  await chmod(join(etc, 'ssh.service'), 0o600);
  await symlink(join(own, 'ours.service'), join(run, 'ours.service'));
  await symlink('/dev/null', join(run, 'masked.service'));
  const free = ['ours.service', 'dir.service', 'other.service'];
  const owners = await readNameOwners([etc, run, absent], own, [...free, 'ssh.service', 'masked.service', 'tty@1.service']);
  assert.equal(owners.pathOf('ssh.service'), join(etc, 'ssh.service'));
  assert.equal(owners.pathOf('masked.service'), join(run, 'masked.service'));
  for (const name of free) assert.equal(owners.pathOf(name), null, name);
  assert.equal(owners.templateOf('tty@1.service'), join(etc, 'tty@.service'));
  assert.equal(owners.templateOf('ssh.service'), null);
}));
