import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fingerprints, judgeKey, keyTypeWord, knownHostLine, knownHostName, knownKeyTypes } from './known-hosts.ts';

/** A key of a type with some bytes: enough of one for everything that does not compute with it. */
function key(type: string, content = 'content'): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(type.length);
  return Buffer.concat([length, Buffer.from(type), Buffer.from(content)]);
}

const host = { host: '10.58.9.83', port: 22 };
const otherPort = { host: '10.58.9.83', port: 2222 };
const ed25519 = key('ssh-ed25519');
const rsa = key('ssh-rsa');

describe('the file of known hosts', () => {
  test('says known to the key that was added, for that host and port alone', () => {
    const text = knownHostLine(host, ed25519);
    assert.equal(text, `10.58.9.83 ssh-ed25519 ${ed25519.toString('base64')}\n`);
    assert.deepEqual(judgeKey(text, host, ed25519), { kind: 'known' });
    assert.deepEqual(judgeKey(text, otherPort, ed25519), { kind: 'unknown' });
    assert.deepEqual(judgeKey(knownHostLine(otherPort, rsa), otherPort, rsa), { kind: 'known' });
    assert.equal(knownHostName(otherPort), '[10.58.9.83]:2222');
  });

  test('says changed to another key of the same type, and to a key of a type it does not have', () => {
    const text = `# machines\n\n${knownHostLine(host, ed25519)}`;
    assert.deepEqual(judgeKey(text, host, key('ssh-ed25519', 'other')), { kind: 'changed', lines: [3] });
    assert.deepEqual(judgeKey(text, host, rsa), { kind: 'changed', lines: [3] });
  });

  test('takes several hosts in a line, several keys of a host, and comments behind keys', () => {
    const text = `a,10.58.9.83 ssh-rsa ${rsa.toString('base64')} m83\n${knownHostLine(host, ed25519)}`;
    assert.deepEqual(judgeKey(text, host, rsa), { kind: 'known' });
    assert.deepEqual(judgeKey(text, { host: 'a', port: 22 }, rsa), { kind: 'known' });
    assert.deepEqual(knownKeyTypes(text, host), ['ssh-rsa', 'ssh-ed25519']);
  });

  test('passes over comments, markers, hashed names and lines that are cut off', () => {
    const base64 = ed25519.toString('base64');
    const text = [`#10.58.9.83 ssh-ed25519 ${base64}`, `@revoked 10.58.9.83 ssh-ed25519 ${base64}`, `|1|c2FsdA==|aGFzaA== ssh-ed25519 ${base64}`,
      '10.58.9.83 ssh-ed25519', '10.58.9.83'].join('\n');
    assert.deepEqual(judgeKey(text, host, ed25519), { kind: 'unknown' });
  });
});

test('keys are named in one word, whatever their size', () => {
  const words = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa', 'ssh-dss', 'sk-ssh-ed25519@openssh.com'].map((type) => keyTypeWord(key(type)));
  assert.deepEqual(words, ['ED25519', 'ECDSA', 'RSA', 'DSA', 'ED25519']);
  assert.equal(keyTypeWord(Buffer.alloc(0)), '');
});

test('fingerprints are those of ssh-keygen -l, in its old form and its new one', () => {
  // The public half of a key made for this test, and what ssh-keygen 9.2 says of it.
  const blob = Buffer.from('AAAAC3NzaC1lZDI1NTE5AAAAIFwXQ0mVbQJ7SNxD1s7pDIpMwKl5NBSDa8vMo8FYcpk0', 'base64');
  assert.deepEqual(fingerprints(blob), { md5: '09:7d:6c:d5:34:82:ff:dd:47:91:e3:09:48:fb:a4:38', sha256: 'SHA256:Zcs39cjEE3ea17IZuyMbYGe6ewErULEeIm6gBvi7QDg' });
});
