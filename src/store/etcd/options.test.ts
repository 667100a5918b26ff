/** Endpoints, key prefixes and what is wrong with them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkEtcdOptions, normalisePrefix, parseEndpoint, patienceOf } from './options.ts';
import type { EtcdOptions } from './options.ts';

test('every spelling of a key prefix is one prefix', () => {
  const spellings = ['fleet', '/fleet', 'fleet/', '/fleet/', '//fleet//'];
  for (const spelling of spellings) assert.equal(normalisePrefix(spelling), '/fleet/');
  for (const root of ['', '/']) assert.equal(normalisePrefix(root), '/');
  assert.equal(normalisePrefix('/_coreos.com/fleet/'), '/_coreos.com/fleet/');
});

const endpoints: readonly (readonly [text: string, url: string | null])[] = [
  ['http://127.0.0.1:2379', 'http://127.0.0.1:2379'],
  ['https://etcd.example.com:4001/', 'https://etcd.example.com:4001'],
  ['http://etcd', 'http://etcd:2379'],
  ['http://etcd:80', 'http://etcd:80'],
  ['https://etcd:443', 'https://etcd:443'],
  ['http://[::1]:2379', 'http://[::1]:2379'],
  ['127.0.0.1:2379', null],
  ['etcd', null],
  ['', null],
  ['unix:///run/etcd.sock', null],
  ['http://etcd:2379/v3', null],
  ['http://user:secret@etcd:2379', null],
  ['http://etcd:99999', null],
];
for (const [text, url] of endpoints) {
  test(`endpoint "${text}" ${url === null ? 'is refused by name' : `means ${url}`}`, () => {
    const parsed = parseEndpoint(text);
    assert.equal(parsed.ok ? parsed.value.url : null, url);
    if (parsed.ok) return;
    assert.equal(parsed.failure.code, 'ENDPOINT_INVALID');
    assert.ok(parsed.failure.message.includes(`"${text}"`));
  });
}

test('who gives etcd more time for a request gives it as much for everything else', () => {
  assert.deepEqual(patienceOf({ requestTimeoutMs: 1_000 }), {
    connectMs: 2_000, pingEveryMs: 6_000, pingAnswerMs: 4_000, silentMs: 20_000, progressAnswerMs: 10_000,
  });
  assert.deepEqual(patienceOf({ requestTimeoutMs: 15_000 }), {
    connectMs: 15_000, pingEveryMs: 15_000, pingAnswerMs: 15_000, silentMs: 20_000, progressAnswerMs: 15_000,
  });
});

const good: EtcdOptions = { endpoints: ['http://a:1'], prefix: 'fleet', requestTimeoutMs: 1_000 };
const wrong: readonly (readonly [says: string, more: Partial<EtcdOptions>, message: RegExp])[] = [
  ['no endpoint', { endpoints: [] }, /^no etcd endpoint is given$/],
  ['a broken endpoint after a good one', { endpoints: ['http://a:1', 'b'] }, /"b" is not an etcd endpoint/],
  ['a user name without a password', { username: 'fleet' }, /one of them is missing/],
  ['a certificate without its key', { tls: { cert: 'x' } }, /one of them is missing/],
  ['a key that is none', { tls: { cert: 'x', key: 'y' } }, /^etcd certificates or key cannot be read: [^\n]+$/],
];
test('sound options pass', () => assert.equal(checkEtcdOptions(good).ok, true));
for (const [says, more, message] of wrong) {
  test(`${says} is refused before anything is opened`, () => {
    const checked = checkEtcdOptions({ ...good, ...more });
    assert.match(checked.ok ? '' : checked.failure.message, message);
  });
}
