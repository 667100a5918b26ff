import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { createLog } from '../../lib/log.ts';
import { createPeerIdentity, loadPeerIdentity, readPeerIdentity, type PeerIdentityFile } from './identity.ts';

const facts = { machineId: '99f4004d61afe901b47c4cb4e1f2e0cd', nowMs: Date.UTC(2026, 0, 2, 3, 4, 5) };
const memoryFile = (text = ''): PeerIdentityFile & { readonly written: string[] } => {
  const written: string[] = [];
  return { written, read: async () => written.at(-1) ?? text, write: async (next) => void written.push(next) };
};
const logInto = (lines: string[]) => createLog('peer', 'debug', (line) => lines.push(line));

test('a certificate is self-signed with its own key, and says which machine it is of and since when', () => {
  const identity = createPeerIdentity(facts);
  const certificate = new X509Certificate(identity.certificatePem);
  assert.equal(certificate.subject, `CN=fleet ${facts.machineId}`);
  assert.equal(certificate.issuer, certificate.subject);
  assert.ok(certificate.verify(certificate.publicKey));
  assert.equal(certificate.validFromDate.getTime(), facts.nowMs);
  assert.equal(certificate.validToDate.getUTCFullYear(), 9999);
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  assert.match(identity.fingerprint, /^[0-9a-f]{64}$/);
});

test('a certificate made after 2049 is dated rightly, too', () => {
  const identity = createPeerIdentity({ ...facts, nowMs: Date.UTC(2051, 5, 6) });
  assert.equal(new X509Certificate(identity.certificatePem).validFromDate.getTime(), Date.UTC(2051, 5, 6));
});

test('openssl, where it is installed, reads and verifies the certificate', () => {
  for (let round = 0; round < 8; round += 1) {
    // Random serials and signatures have several lengths.
    const { certificatePem } = createPeerIdentity(facts);
    const shown = spawnSync('openssl', ['x509', '-noout', '-subject', '-checkend', '0'], {
      input: certificatePem,
      encoding: 'utf8',
    });
    if (shown.error !== undefined) return;
    assert.equal(shown.status, 0, shown.stderr);
  }
});

test('the identity is written once and read ever after', async () => {
  const file = memoryFile();
  const lines: string[] = [];
  const first = await loadPeerIdentity(file, facts, logInto(lines));
  const second = await loadPeerIdentity(file, facts, logInto(lines));
  assert.equal(file.written.length, 1);
  assert.deepEqual(second, first);
  assert.deepEqual(lines, []);
});

test('a damaged file is replaced by a new identity, with one line in the log', async () => {
  const whole = createPeerIdentity(facts);
  const other = createPeerIdentity(facts);
  for (const damaged of ['x', whole.keyPem, whole.certificatePem, whole.keyPem + other.certificatePem]) {
    const file = memoryFile(damaged);
    const lines: string[] = [];
    const made = await loadPeerIdentity(file, facts, logInto(lines));
    assert.deepEqual(readPeerIdentity(file.written.join('')), made);
    assert.equal(lines.length, 1);
  }
});
