/**
 * Who this machine is: machine id, boot id, host name.
 * Promises: a machine without /etc/machine-id gets an id once and keeps it; a wrong id is a failure that names the file and the text.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { failure, success, type Result } from '../core/failure.ts';
import type { MachineId } from '../core/machine.ts';

/** machine-id(5): 32 lower-case hexadecimal characters. */
const machineIdPattern = /^[0-9a-f]{32}$/;

/**
 * Reads the machine id from `systemFile` (/etc/machine-id), else from `machine-id` in the data directory, where one is made
 * when there is none. An empty or "uninitialized" system file counts as absent (machine-id(5)).
 */
export async function readMachineId(systemFile: string, dataDirectory: string): Promise<Result<MachineId>> {
  for (const file of [systemFile, join(dataDirectory, 'machine-id')]) {
    const text = (await readFile(file, 'utf8').catch(absentAsEmpty)).trim();
    if (text === '' || text === 'uninitialized') continue;
    if (machineIdPattern.test(text)) return success(text as MachineId);
    return failure('CONFIG_INVALID', `${file}: "${text.slice(0, 80)}" is not a machine id (32 lower-case hexadecimal characters)`);
  }
  const made = randomBytes(16).toString('hex');
  await mkdir(dataDirectory, { recursive: true });
  await writeFileDurably(join(dataDirectory, 'machine-id'), `${made}\n`);
  return success(made as MachineId);
}

/** The kernel's boot id: changes with every boot, so a reboot is told from a second machine with the same id. */
export async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

export function readHostname(): string {
  return hostname();
}

/** Writes a small file so that it is there completely or not at all, also after a power cut. Throws the file system's error. */
export async function writeFileDurably(path: string, text: string, mode = 0o644): Promise<void> {
  const partial = `${path}.partial-${process.pid}`;
  const file = await open(partial, 'w', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, path);
}

/** For `catch`: an absent file reads as empty, other errors stay errors. */
export function absentAsEmpty(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return '';
  throw error;
}
