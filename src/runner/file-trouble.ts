/** Files of a runner that cannot be written or removed. Promises: the message is one line for people, with the path and the reason. */

/** A file that cannot be written or removed. */
export class FileTrouble extends Error {
  override readonly name = 'FileTrouble';
}

/** What went wrong with `path`: "cannot write /run/fleet/units/a.service: ENOSPC: no space left on device". */
export function fileTrouble(verb: 'write' | 'remove', path: string, error: unknown): FileTrouble {
  const [reason = ''] = (error as Error).message.split(',');
  return new FileTrouble(`cannot ${verb} ${path}: ${reason}`);
}

/** A page: an empty file finds room on a full disk. */
const probe = ' '.repeat(4_096);

/**
 * Why no file can be written to one of the directories, as one line; null when it can to all. `tryWriting` writes a file as the runner does,
 * throwing FileTrouble when it cannot, and leaves nothing behind.
 */
export async function whyUnwritable(
  directories: readonly string[], tryWriting: (path: string, text: string) => Promise<unknown>,
): Promise<string | null> {
  for (const directory of directories) {
    try {
      await tryWriting(`${directory}/.probe`, probe);
    } catch (error) {
      if (error instanceof FileTrouble) return error.message.replace('/.probe', '');
      throw error;
    }
  }
  return null;
}
