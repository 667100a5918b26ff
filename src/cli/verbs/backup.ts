/**
 * `fleetctl backup`: the cluster as a file.
 * Promises: the file is there whole, checked and for its owner alone, or not at all.
 */
import { resolve } from 'node:path';
import type { BackupHeader } from '../../core/backup.ts';
import { isFileTrouble, NoBackup, readBackup } from '../backup-lines.ts';
import { complain, exitCodes, print } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const { client, environment, words } = session;
  const [file, ...others] = words;
  if (file === undefined || others.length > 0) {
    complain(session, 'One file to write must be named');
    return exitCodes.usage;
  }
  const path = resolve(environment.cwd, file);
  const seen: Seen = { header: null, units: 0, entries: 0 };
  try {
    await environment.writePrivately(path, checked(client.backup(environment.interrupted), seen));
  } catch (error) {
    if (!(error instanceof NoBackup) && !isFileTrouble(error)) throw error;
    complain(session, `Error writing backup: ${error.message}`);
    return exitCodes.failed;
  }
  print(session, `Backed up ${seen.units} units (${seen.entries} entries) at revision ${seen.header?.revision ?? 0} to ${file}`);
  return exitCodes.done;
}

/** What has passed. */
interface Seen {
  header: BackupHeader | null;
  units: number;
  entries: number;
}

/** The same pieces, unless they turn out to be no whole backup. */
async function* checked(pieces: AsyncIterable<string>, seen: Seen): AsyncGenerator<string> {
  const passing: string[] = [];
  const tapped = (async function* () {
    for await (const piece of pieces) {
      passing.push(piece);
      yield piece;
    }
  })();
  for await (const line of readBackup(tapped)) {
    if (line.kind === 'header') seen.header = line.header;
    if (line.kind === 'entry') {
      seen.entries += 1;
      if (line.entry.key.startsWith('units/')) seen.units += 1;
    }
    while (passing.length > 0) yield passing.shift() ?? '';
  }
}
