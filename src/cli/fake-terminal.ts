/**
 * A terminal for tests: runs fleetctl in this process against a fake API, and keeps what it prints.
 * Promises: files, environment variables and time are the test's own; nothing of the process around it is read.
 */
import { createClient } from '../client/client.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import type { ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { SshFailure } from '../ssh/ssh.ts';
import type { Environment } from './environment.ts';
import { runFleetctl } from './run.ts';

/** What one command did. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface FakeTerminal {
  /** Unit files and others, by absolute path; the working directory is /home. */
  readonly files: Map<string, string>;
  readonly env: Record<string, string>;
  /** Lines of shell that were run; `false` fails. */
  readonly commands: string[];
  readonly clock: ManualClock;
  run(argv: readonly string[], changes?: Partial<Environment>): Promise<Ran>;
}

type FileCalls = Pick<
  Environment, 'readFile' | 'fileExists' | 'replaceFile' | 'writePrivately' | 'readPieces' | 'removeFile'
>;

/** The files of the test, in the place of a disk. */
function filesIn(files: Map<string, string>): FileCalls {
  const read = (path: string): string => {
    const text = files.get(path);
    if (text === undefined) {
      throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: 'ENOENT' });
    }
    return text;
  };
  return {
    readFile: async (path) => new TextEncoder().encode(read(path)),
    fileExists: async (path) => files.has(path),
    replaceFile: async (path, text) => {
      files.set(path, text);
    },
    writePrivately: async (path, pieces) => {
      let text = '';
      for await (const piece of pieces) text += piece;
      files.set(path, text);
    },
    readPieces: async function* (path) {
      const text = read(path);
      // In pieces that end anywhere, as those of real files do.
      for (let at = 0; at < text.length; at += 100) yield text.slice(at, at + 100);
    },
    removeFile: async (path) => {
      files.delete(path);
    },
  };
}

/** A terminal whose fleetd listens on `socketPath`. */
export function createFakeTerminal(socketPath: string): FakeTerminal {
  const files = new Map<string, string>();
  const env: Record<string, string> = { FLEETCTL_ENDPOINT: `unix://${socketPath}`, USER: 'core' };
  const clock = createManualClock();
  const commands: string[] = [];
  return {
    files,
    env,
    commands,
    clock,
    async run(argv: readonly string[], changes: Partial<Environment> = {}): Promise<Ran> {
      let stdout = '';
      let stderr = '';
      const environment: Environment = {
        env,
        cwd: '/home',
        isRoot: true,
        version: '2.0.0',
        clock,
        random: seededRandom(1),
        interrupted: new AbortController().signal,
        stdout: {
          write: (text) => {
            stdout += text;
          },
        },
        stderr: {
          write: (text) => {
            stderr += text;
          },
        },
        ...filesIn(files),
        runShell: async (command) => {
          commands.push(command);
          return command === 'false' ? '"false" ended with exit status 1' : null;
        },
        connect: async (options) => createClient(options),
        openSsh: () => Promise.reject(new SshFailure('this test has no SSH')),
        forwardToSocket: () => Promise.reject(new Error('this test has no such socket')),
        ...changes,
      };
      const running = runFleetctl(argv, environment);
      const moving = new AbortController();
      const moved = keepMoving(clock, moving.signal);
      try {
        return { code: await running, stdout, stderr };
      } finally {
        moving.abort();
        await moved;
      }
    },
  };
}

/**
 * Lets virtual time pass while a command waits: as fast as the sockets allow, so that no test waits for a real second.
 * Each step is small against every wait of fleetctl, and gives the sockets several turns of the event loop.
 */
async function keepMoving(clock: ManualClock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (let turn = 0; turn < 20; turn += 1) await clock.settle();
    await clock.advance(10);
  }
}
