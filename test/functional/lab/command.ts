/** Running commands for the lab: bounded, with output kept, never through a shell unless the shell is named. */
import { spawn, type SpawnOptions } from 'node:child_process';

/** How a command ended. `code` is 128 + signal number style 137 when it was killed. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly timeoutMs?: number;
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

const pauseMsMin = 50;
const pauseMsMax = 1_000;
const outputBytesMax = 64 * 1024 * 1024;

/** Runs a command to its end; kills it after `timeoutMs` (default 60 s) and then reports code 137. */
export async function run(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [program = '', ...rest] = command;
  const spawnOptions: SpawnOptions = { stdio: ['pipe', 'pipe', 'pipe'], ...(options.env && { env: options.env }), ...(options.cwd && { cwd: options.cwd }) };
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, spawnOptions);
    const chunks: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
    let bytes = 0;
    const keep = (name: 'stdout' | 'stderr') => (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes <= outputBytesMax) chunks[name].push(chunk);
    };
    child.stdout?.on('data', keep('stdout'));
    child.stderr?.on('data', keep('stderr'));
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? (signal === null ? 1 : 137), stdout: Buffer.concat(chunks.stdout).toString(), stderr: Buffer.concat(chunks.stderr).toString() });
    });
    child.stdin?.on('error', () => undefined); // A command may end without reading its input.
    child.stdin?.end(options.input ?? '');
  });
}

/** Runs a command that has to succeed; throws an Error with its output otherwise. Returns its standard output. */
export async function must(command: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await run(command, options);
  if (result.code !== 0) throw new Error(`${command.join(' ')} ended with ${result.code}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}

/**
 * Asks again and again, with pauses at least as long as the asking took, so that it leaves processors to what it waits for: until `look`
 * gives something; throws what `describe` says after `timeoutMs`.
 */
export async function until<T>(
  look: () => Promise<T | undefined | null | false>, describe: string | (() => Promise<string>), timeoutMs = 60_000,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  let lastError: unknown = null;
  for (;;) {
    const askedMs = performance.now();
    try {
      const found = await look();
      if (found !== undefined && found !== null && found !== false) return found;
      lastError = null;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() > endMs) break;
    const pauseMs = Math.min(pauseMsMax, Math.max(pauseMsMin, performance.now() - askedMs));
    await new Promise((resolve) => { setTimeout(resolve, pauseMs); });
  }
  const text = typeof describe === 'string' ? describe : await describe();
  throw new Error(`not within ${timeoutMs} ms: ${text}${lastError instanceof Error ? ` (${lastError.message})` : ''}`);
}
