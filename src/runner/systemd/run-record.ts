/**
 * How a oneshot ended, on disk: systemd forgets a unit that ended well before anyone can look, whether fleetd runs or not.
 * Promises: the record is written by systemd itself, as the unit's last ExecStopPost=, so it is there when the unit is
 * inactive; a record is whole or absent.
 */
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { UnitName } from '../../core/unit-name.ts';
import { removeFile } from './staged-file.ts';

/** How the last run ended. */
export interface RunRecord {
  readonly succeeded: boolean;
  readonly endedAtMs: number;
}

export interface RunRecords {
  /** The drop-in that makes systemd write the record of a unit. */
  readonly dropIn: string;
  read(name: UnitName): Promise<RunRecord | null>;
  remove(name: UnitName): Promise<void>;
}

/** Sorts after fleet's other drop-ins, so that its command runs after the unit's own. */
export const runRecordDropInName = '90-fleet-run-record.conf';

/**
 * "+" because the unit's user may not write there, "-" because a record that cannot be written must not make the unit fail.
 * "$$" is a "$" for the shell, and %n is not parsed again once it is expanded, so no unit name can break out of its quotes.
 */
const recordCommand = (directory: string): string =>
  `-+/bin/sh -c 'echo "$$SERVICE_RESULT $$EXIT_CODE" >"$$0.new" && mv -f "$$0.new" "$$0"' "${escapeWord(directory)}/%n"`;

/** systemd.syntax(7) and systemd.unit(5): backslashes, quotes, specifiers and variables inside a double-quoted word. */
function escapeWord(text: string): string {
  return text.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$');
}

export async function openRunRecords(directory: string): Promise<RunRecords> {
  await mkdir(directory, { recursive: true, mode: 0o755 });
  return {
    dropIn: `[Service]\nExecStopPost=${recordCommand(directory)}\n`,
    async read(name) {
      const path = join(directory, name);
      try {
        const text = await readFile(path, 'utf8');
        return { succeeded: text === 'success exited\n', endedAtMs: Math.floor((await stat(path)).mtimeMs) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },
    remove: (name) => removeFile(join(directory, name)),
  };
}
