/**
 * `fleetctl restore`: a backup becomes the cluster.
 * Promises: nothing is asked of the cluster before the whole file has been checked; one that is interrupted says how to go on.
 */
import { resolve } from 'node:path';
import type { BackupEntry, BackupHeader } from '../../core/backup.ts';
import { limits } from '../../core/limits.ts';
import { isFileTrouble, NoBackup, readBackup } from '../backup-lines.ts';
import { complain, exitCodes, print, whoAsks } from '../session.ts';
import type { Session } from '../session.ts';

/** Bytes of one request: far below what the API takes. */
const requestBytesMax = 2_000_000;
/** How long the engine that leads may take to stop: longer than the lease of one that is gone. */
const leaderLimitMs = 120_000;
const lookMs = 250;

export async function run(session: Session): Promise<number> {
  const { client, environment, flags, words } = session;
  const [file, ...others] = words;
  if (file === undefined || others.length > 0) {
    complain(session, 'One backup file must be named');
    return exitCodes.usage;
  }
  const path = resolve(environment.cwd, file);
  try {
    const { header, units } = await check(session, path);
    const signal = environment.interrupted;
    const { revision, tokenBase } = header;
    const by = whoAsks(session);
    const begun = await client.beginRestore({ revision, tokenBase, force: flags.isOn('force'), by }, signal);
    await finish(session, { path, restore: begun.revision });
    print(session, `Restored ${units} units from ${file}, of revision ${revision} and ${new Date(header.createdAtMs).toISOString()}`);
    return exitCodes.done;
  } catch (error) {
    if (!(error instanceof NoBackup) && !isFileTrouble(error)) throw error;
    complain(session, `Error reading ${file}: ${error.message}`);
    return exitCodes.failed;
  }
}

interface Checked {
  readonly header: BackupHeader;
  readonly units: number;
}

async function check({ environment }: Session, path: string): Promise<Checked> {
  let header: BackupHeader | null = null;
  let units = 0;
  for await (const line of readBackup(environment.readPieces(path))) {
    if (line.kind === 'header') ({ header } = line);
    if (line.kind === 'entry' && line.entry.key.startsWith('units/')) units += 1;
  }
  if (header === null) throw new Error('a backup that was read to its end has a first line');
  return { header, units };
}

interface Begun {
  readonly path: string;
  readonly restore: number;
}

/** From here on the cluster waits for this restore. */
async function finish(session: Session, { path, restore }: Begun): Promise<void> {
  const { client, environment } = session;
  const signal = environment.interrupted;
  try {
    await untilNobodyLeads(session);
    for await (const entries of batchesOf(environment.readPieces(path))) {
      await client.restoreEntries({ restore, entries }, signal);
    }
    await client.finishRestore({ restore }, signal);
  } catch (error) {
    complain(session, 'The restore is not finished, and the cluster decides nothing until it is: run it again with --force.');
    throw error;
  }
}

/** An engine that leads gives that up when it hears of the restore; the lease of one that is gone has to run out. */
async function untilNobodyLeads({ client, environment }: Session): Promise<void> {
  const { clock, interrupted } = environment;
  const startedMs = clock.uptimeMs();
  while ((await client.info(interrupted)).leader !== null && clock.uptimeMs() - startedMs < leaderLimitMs) {
    await clock.sleep(lookMs, interrupted);
  }
}

async function* batchesOf(pieces: AsyncIterable<string>): AsyncGenerator<readonly BackupEntry[]> {
  let entries: BackupEntry[] = [];
  let bytes = 0;
  for await (const line of readBackup(pieces)) {
    if (line.kind !== 'entry') continue;
    const size = Buffer.byteLength(JSON.stringify(line.entry));
    if (entries.length >= limits.restoreEntriesMax || (entries.length > 0 && bytes + size > requestBytesMax)) {
      yield entries;
      entries = [];
      bytes = 0;
    }
    entries.push(line.entry);
    bytes += size;
  }
  if (entries.length > 0) yield entries;
}
