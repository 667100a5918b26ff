/**
 * Whether a host is the one it says it is: asks the file of known hosts, and a person about hosts that are not in it.
 * Promises: a changed key is always refused; an unknown one is trusted only after a yes, which is remembered; nothing
 * is asked or written when checking is switched off.
 */
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fingerprints, judgeKey, keyTypeWord, knownHostLine, knownHostName, knownKeyTypes } from './known-hosts.ts';
import { SshFailure } from './ssh.ts';
import type { SshHost } from './ssh.ts';

/** The person at the keyboard. */
export interface Person {
  /** Shows lines. */
  tell(text: string): void;
  /** Shows a question and resolves with what was typed, "" at the end of the input. */
  ask(question: string): Promise<string>;
}

export interface HostCheck {
  /** Types of host keys to ask for first. */
  knownTypes(host: SshHost): Promise<readonly string[]>;
  /** Resolves when the host may be trusted; throws SshFailure when not. */
  check(host: SshHost, key: Buffer): Promise<void>;
}

/** The check against `file`; with null every host is trusted. */
export function createHostCheck(file: string | null, person: Person): HostCheck {
  if (file === null) return { knownTypes: async () => [], check: async () => undefined };
  return {
    knownTypes: async (host) => knownKeyTypes(await readKnown(file), host),
    async check(host, key) {
      const verdict = judgeKey(await readKnown(file), host, key);
      if (verdict.kind === 'known') return;
      if (verdict.kind === 'changed') {
        person.tell(changedWarning(host, key, { file, lines: verdict.lines }));
        throw new SshFailure(`the host key of ${knownHostName(host)} has changed`);
      }
      await askAbout(host, key, { file, person });
    },
  };
}

async function askAbout(
  host: SshHost,
  key: Buffer,
  to: { readonly file: string; readonly person: Person },
): Promise<void> {
  const { file, person } = to;
  const name = knownHostName(host);
  const { md5, sha256 } = fingerprints(key);
  const word = keyTypeWord(key);
  person.tell(`The authenticity of host '${name}' can't be established.\n${word} key fingerprint is ${md5}.\n`);
  person.tell(`${word} key fingerprint is ${sha256}.\n`);
  const answer = await person.ask('Are you sure you want to continue connecting (yes/no)? ');
  if (!/^y(es)?$/i.test(answer.trim())) throw new SshFailure(`nobody has said that ${name} may be trusted`);
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await appendFile(file, knownHostLine(host, key), { mode: 0o600 });
    person.tell(`Warning: Permanently added '${name}' (${word}) to the list of known hosts.\n`);
  } catch (error) {
    person.tell(`Warning: cannot add '${name}' to the list of known hosts: ${(error as Error).message}\n`);
  }
}

async function readKnown(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new SshFailure(`cannot read --known-hosts-file=${file}: ${(error as Error).message}`);
  }
}

function changedWarning(
  host: SshHost,
  key: Buffer,
  found: { readonly file: string; readonly lines: readonly number[] },
): string {
  const bar = '@'.repeat(59);
  const lines = found.lines.map((line) => `${found.file}:${line}`).join(', ');
  return `${bar}
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
${bar}
The host ${knownHostName(host)} shows another key than before: it was installed anew, or somebody
stands between and could read and change everything that is sent.
The ${keyTypeWord(key)} key it shows now has the fingerprint ${fingerprints(key).md5}
(${fingerprints(key).sha256}).
If that is the right one, remove the old key: ${lines}
`;
}
