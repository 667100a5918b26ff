/**
 * Where the keeper binary is: beside the sources in development, inside the executable once fleet is built.
 * Promises: the path answered is a whole, executable keeper of this very version; a missing compiler is an error that says so.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { getAsset, isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Longest time the compiler may take on a slow machine. */
const buildTimeoutMs = 120_000;
/** Characters of the hash in the name of an extracted keeper. */
const hashCharacters = 16;

/** The keeper cannot be had; the message is one line that says what to do. */
export class KeeperUnavailable extends Error {
  override readonly name = 'KeeperUnavailable';
}

/** The absolute path of the keeper; extracts it below `dataDirectory`, or builds it, when needed. Throws KeeperUnavailable. */
export async function keeperPath(options: { readonly dataDirectory: string }): Promise<string> {
  if (isSea()) return extractKeeper(Buffer.from(getAsset('keeper')), options.dataDirectory);
  return buildKeeper(join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'native/keeper'));
}

/**
 * Writes the keeper's bytes to `dataDirectory` under a name made of their hash, unless it is there already. Older keepers
 * stay: they may be running units.
 */
export async function extractKeeper(bytes: Buffer, dataDirectory: string): Promise<string> {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, hashCharacters);
  const path = join(dataDirectory, `keeper-${hash}`);
  const present = await stat(path).catch(() => null);
  if (present?.size === bytes.length && (present.mode & 0o111) !== 0) return path;
  const partial = join(dataDirectory, `.keeper-${randomBytes(8).toString('hex')}`);
  try {
    await mkdir(dataDirectory, { recursive: true });
    await writeFile(partial, bytes, { flag: 'wx' });
    // Not by the mode of writeFile(): the umask would cut it.
    await chmod(partial, 0o755);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw new KeeperUnavailable(`cannot write the keeper to ${path}: ${(error as Error).message}`);
  }
  return path;
}

/** Builds the keeper with make when it is missing or older than its sources. */
export async function buildKeeper(sources: string): Promise<string> {
  const path = join(sources, 'keeper');
  if (await isBuilt(path, sources)) return path;
  try {
    await promisify(execFile)('make', ['-s', '-C', sources], { timeout: buildTimeoutMs });
  } catch (error) {
    const { code, stderr } = error as { readonly code?: unknown; readonly stderr?: string };
    const why = code === 'ENOENT' ? 'there is no make' : (stderr ?? '').trim().split('\n').at(-1) ?? '';
    throw new KeeperUnavailable(`cannot build ${path}: ${why}; install make and a C compiler (Debian: build-essential)`);
  }
  return path;
}

async function isBuilt(path: string, sources: string): Promise<boolean> {
  const built = await stat(path).catch(() => null);
  if (built === null) return false;
  const files = (await readdir(sources)).filter((file) => /\.[ch]$|^Makefile$/.test(file));
  const times = await Promise.all(files.map(async (file) => (await stat(join(sources, file))).mtimeMs));
  return times.every((timeMs) => timeMs <= built.mtimeMs);
}
