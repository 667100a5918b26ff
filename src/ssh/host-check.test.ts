import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createHostCheck } from './host-check.ts';
import { knownHostLine } from './known-hosts.ts';
import { SshFailure } from './ssh.ts';
import { personAt } from './terminal.ts';

const key = Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.from('content')]);
const host = { host: 'm83', port: 22 };
let folder = '';
let file = '';

/** A terminal at which somebody types. */
function typing(...pieces: readonly string[]): { readonly person: ReturnType<typeof personAt>; said(): string; rest(): string } {
  const [stdin, stderr] = [new PassThrough(), new PassThrough()];
  for (const piece of pieces) stdin.write(piece);
  stdin.end();
  const person = personAt({
    stdin, stderr, stdout: new PassThrough(), kind: 'dumb', size: () => null, setRaw: () => undefined, onResize: () => () => undefined,
  });
  return { person, said: () => String(stderr.read() ?? ''), rest: () => String(stdin.read() ?? '') };
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'host-check-'));
  file = join(folder, 'made/known_hosts');
});
afterEach(() => rm(folder, { recursive: true }));

describe('a host that is not known', () => {
  for (const answer of ['yes', 'yes\n', 'y\n', 'YES\n']) {
    test(`is trusted and remembered after ${JSON.stringify(answer)}, in a file for this user alone`, async () => {
      const { person, said } = typing(answer);
      await createHostCheck(file, person).check(host, key);
      assert.equal(await readFile(file, 'utf8'), knownHostLine(host, key));
      assert.equal((await stat(file)).mode & 0o077, 0);
      assert.match(said(), /authenticity of host 'm83'[^]*ED25519 key fingerprint is ([0-9a-f]{2}:){15}[^]*\(yes\/no\)\? [^]*Permanently added 'm83'/);
      await createHostCheck(file, typing().person).check(host, key);
    });
  }

  for (const answer of ['', 'no\n', '\n', 'yesterday\n']) {
    test(`is refused after ${JSON.stringify(answer)}, and nothing is remembered`, async () => {
      await assert.rejects(createHostCheck(file, typing(answer).person).check(host, key), SshFailure);
      await assert.rejects(stat(file), { code: 'ENOENT' });
    });
  }

  test('leaves what is typed behind the answer to whoever reads next', async () => {
    const { person, rest } = typing('ye', 's\nls', ' -l\n');
    await createHostCheck(file, person).check(host, key);
    assert.equal(rest(), 'ls -l\n');
  });
});

test('a changed key is refused without a question, with the line of the file that is to go', async () => {
  const other = Buffer.concat([key, Buffer.from('!')]);
  file = join(folder, 'known_hosts');
  await writeFile(file, `# known\n${knownHostLine(host, other)}`);
  const { person, said } = typing('yes\n');
  await assert.rejects(createHostCheck(file, person).check(host, key), /the host key of m83 has changed/);
  const text = said();
  assert.match(text, /REMOTE HOST IDENTIFICATION HAS CHANGED/);
  assert.ok(text.includes(`${file}:2`), text);
  assert.equal(await readFile(file, 'utf8'), `# known\n${knownHostLine(host, other)}`);
});

test('without checking nothing is asked, read or written', async () => {
  const { person, said } = typing();
  await createHostCheck(null, person).check(host, key);
  assert.equal(said(), '');
});
