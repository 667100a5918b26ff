/**
 * What a fleetd proves itself with to the others: a key pair and a certificate, made at its first start.
 * Promises: the private key is written once, by the given file, and never leaves this process otherwise; key and
 * certificate stand in one text, so that a crash leaves both or none; a damaged file is replaced, not trusted.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import type { Log } from '../../lib/log.ts';
import { pemOf, selfSignedCertificate } from './certificate.ts';

export interface PeerIdentity {
  readonly keyPem: string;
  readonly certificatePem: string;
  /** SHA-256 of the certificate, 64 lower-case hexadecimal characters: what `machines/<id>` publishes. */
  readonly fingerprint: string;
}

/** Where the identity is kept between runs: one file in the data directory, mode 0600. */
export interface PeerIdentityFile {
  /** Its text; empty when it does not exist. */
  read(): Promise<string>;
  /** Writes it completely or not at all. */
  write(text: string): Promise<void>;
}

export interface IdentityFacts {
  /** Named in the certificate, for people who look at it. */
  readonly machineId: string;
  readonly nowMs: number;
}

/** The identity of earlier runs, or a new one that is in the file when this returns. Throws the file's errors. */
export async function loadPeerIdentity(file: PeerIdentityFile, facts: IdentityFacts, log: Log): Promise<PeerIdentity> {
  const text = await file.read();
  const known = readPeerIdentity(text);
  if (known !== null) return known;
  if (text !== '') {
    log.warning('the peer key file is damaged; making a new key, other machines follow by its new fingerprint');
  }
  const made = createPeerIdentity(facts);
  await file.write(made.keyPem + made.certificatePem);
  return made;
}

export function createPeerIdentity(facts: IdentityFacts): PeerIdentity {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = selfSignedCertificate({
    publicKey,
    privateKey,
    commonName: `fleet ${facts.machineId}`,
    serial: randomBytes(16),
    notBeforeMs: facts.nowMs,
  });
  return {
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificatePem: pemOf(certificate),
    fingerprint: fingerprintOf(certificate),
  };
}

/** Reads the text {@link loadPeerIdentity} writes; null when it is no private key with its certificate. */
export function readPeerIdentity(text: string): PeerIdentity | null {
  try {
    const key = createPrivateKey(text);
    const certificate = new X509Certificate(text);
    if (!certificate.publicKey.equals(createPublicKey(key))) return null;
    return {
      keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
      certificatePem: certificate.toString(),
      fingerprint: fingerprintOf(certificate.raw),
    };
  } catch {
    return null; // No key or no certificate in it: the caller makes new ones and says so.
  }
}

/** SHA-256 fingerprint as it stands in the store: lower case, no colons. */
export function fingerprintOf(certificate: Uint8Array): string {
  return new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase();
}
