/**
 * A self-signed certificate: the few forms of DER (ITU-T X.690) and X.509 (RFC 5280) that one needs.
 * Promises: ECDSA with P-256 and SHA-256 only; what is made here is read back by Node and OpenSSL (a test does).
 * Trust never comes from the certificate's content but from its fingerprint in the store, so it carries no extensions; why no
 * library: docs/decisions/peer-certificates.md.
 */
import { sign, type KeyObject } from 'node:crypto';

export interface CertificateContent {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  /** Subject and issuer; ASCII. */
  readonly commonName: string;
  /** Up to 20 bytes (RFC 5280 section 4.1.2.2). */
  readonly serial: Uint8Array;
  readonly notBeforeMs: number;
}

/** RFC 5280 section 4.1.2.5: the value for certificates that have no good end. */
const noEnd = '99991231235959Z';

const tag = {
  integer: 0x02,
  bitString: 0x03,
  objectId: 0x06,
  utf8String: 0x0c,
  generalizedTime: 0x18,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
} as const;
/** 1.2.840.10045.4.3.2, RFC 5758 section 3.2. */
const ecdsaWithSha256 = Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
/** 2.5.4.3, RFC 4519 section 2.3. */
const commonNameId = Uint8Array.of(0x55, 0x04, 0x03);

/** The certificate in DER. */
export function selfSignedCertificate(content: CertificateContent): Buffer {
  const algorithm = der(tag.sequence, der(tag.objectId, ecdsaWithSha256));
  const name = der(
    tag.sequence,
    der(
      tag.set,
      der(tag.sequence, der(tag.objectId, commonNameId), der(tag.utf8String, Buffer.from(content.commonName, 'ascii'))),
    ),
  );
  const toBeSigned = der(
    tag.sequence,
    der(tag.version, der(tag.integer, Uint8Array.of(2))), // Version 3 counts from 0.
    der(tag.integer, positive(content.serial)),
    algorithm,
    name,
    der(tag.sequence, time(content.notBeforeMs), der(tag.generalizedTime, Buffer.from(noEnd, 'ascii'))),
    name,
    content.publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = sign('sha256', toBeSigned, { key: content.privateKey, dsaEncoding: 'der' });
  return der(tag.sequence, toBeSigned, algorithm, der(tag.bitString, Uint8Array.of(0), signature));
}

/** DER as PEM text (RFC 7468). */
export function pemOf(certificate: Buffer): string {
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

/** One DER value: tag, length, content. */
function der(tagByte: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Uint8Array.of(tagByte), lengthOf(content.length), content]);
}

/** Short form below 128, else the number of length bytes and the length (X.690 section 8.1.3). */
function lengthOf(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  return length < 0x100 ? Uint8Array.of(0x81, length) : Uint8Array.of(0x82, length >> 8, length & 0xff);
}

/**
 * INTEGER is signed and has no leading zeros: a first bit of 0 and a first byte other than 0 make any bytes a positive
 * one.
 */
function positive(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[0] = ((copy[0] ?? 0) & 0x7f) | 0x40;
  return copy;
}

/** Dates through 2049 are UTCTime, later ones GeneralizedTime (RFC 5280 section 4.1.2.5). */
function time(ms: number): Buffer {
  const text = `${new Date(ms).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
  return new Date(ms).getUTCFullYear() < 2050
    ? der(tag.utcTime, Buffer.from(text.slice(2), 'ascii'))
    : der(tag.generalizedTime, Buffer.from(text, 'ascii'));
}
