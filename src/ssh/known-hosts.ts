/**
 * The file of known hosts: lines "HOSTS TYPE KEY", as OpenSSH has them (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
 * Promises: reads text only. Hashed host names, patterns and lines with a marker are passed over (fleet 1.0). A host
 * that is known by a key of any type is never taken for an unknown one: else whoever stands between would only have to
 * offer another type.
 */
import { createHash } from 'node:crypto';
import type { SshHost } from './ssh.ts';

/** Port of ssh when none is named; lines leave it out. */
export const defaultPort = 22;

/** What the file says of a key that a host shows. */
export type KeyVerdict =
  | { readonly kind: 'known' }
  | { readonly kind: 'unknown' }
  /** The host has another key in these lines, counted from 1. */
  | { readonly kind: 'changed'; readonly lines: readonly number[] };

interface KnownKey {
  readonly line: number;
  readonly type: string;
  /** Base64. */
  readonly key: string;
}

/** A host as the file names it: "10.58.9.83", "[10.58.9.83]:2222". */
export function knownHostName({ host, port }: SshHost): string {
  return port === defaultPort ? host : `[${host}]:${port}`;
}

/** Judges the key `blob` (RFC 4253, section 6.6) that `host` shows. */
export function judgeKey(text: string, host: SshHost, blob: Buffer): KeyVerdict {
  const known = keysOf(text, host);
  if (known.length === 0) return { kind: 'unknown' };
  const key = blob.toString('base64');
  if (known.some((each) => each.key === key)) return { kind: 'known' };
  return { kind: 'changed', lines: known.map(({ line }) => line) };
}

/** The types of the keys a host is known by. A host that has several shows one of these when it is asked for first. */
export function knownKeyTypes(text: string, host: SshHost): readonly string[] {
  return [...new Set(keysOf(text, host).map(({ type }) => type))];
}

/** The line for a host and its key, with its end. */
export function knownHostLine(host: SshHost, blob: Buffer): string {
  return `${knownHostName(host)} ${keyType(blob)} ${blob.toString('base64')}\n`;
}

function keysOf(text: string, host: SshHost): readonly KnownKey[] {
  const name = knownHostName(host);
  return text.split('\n').flatMap((line, index) => {
    const [hosts = '', type = '', key = ''] = line.trim().split(/\s+/);
    const isMeant = !hosts.startsWith('#') && !hosts.startsWith('@') && hosts.split(',').includes(name);
    return isMeant && key !== '' ? [{ line: index + 1, type, key }] : [];
  });
}

/** "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa": the text a key begins with. */
function keyType(blob: Buffer): string {
  const length = blob.length >= 4 ? blob.readUInt32BE(0) : 0;
  return blob.subarray(4, 4 + length).toString('latin1');
}

/** The type in one word for people: ED25519, ECDSA, RSA, DSA. */
export function keyTypeWord(blob: Buffer): string {
  const [, word = keyType(blob)] = /^(?:sk-)?(?:ssh-)?(ed25519|ecdsa|rsa|ds[sa])/.exec(keyType(blob)) ?? [];
  return word.replace('dss', 'dsa').toUpperCase();
}

/** Fingerprints: MD5 as fleet 1.0 shows it ("16:27:ac:…"), and OpenSSH's of today ("SHA256:…"). */
export function fingerprints(blob: Buffer): { readonly md5: string; readonly sha256: string } {
  const md5 = createHash('md5').update(blob).digest('hex').replaceAll(/(..)(?=.)/g, '$1:');
  return { md5, sha256: `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}` };
}
