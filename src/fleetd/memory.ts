/** Small texts an agent has to remember over a restart (its lease, its last assignments), one file each, written durably. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { absentAsEmpty, writeFileDurably } from '../host/identity.ts';

export interface Memory {
  read(name: string): Promise<string | null>;
  write(name: string, text: string): Promise<void>;
}

/** Mode 0600: a lease id lets its holder speak for the machine, a peer identity holds a private key. */
const privateMode = 0o600;

export async function openMemory(directory: string): Promise<Memory> {
  await mkdir(directory, { recursive: true });
  return {
    async read(name) {
      const text = await readFile(join(directory, name), 'utf8').catch(absentAsEmpty);
      return text === '' ? null : text;
    },
    write: (name, text) => writeFileDurably(join(directory, name), text, privateMode),
  };
}
