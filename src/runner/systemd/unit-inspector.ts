/**
 * What systemd's own tools say about a unit: `systemctl status` and `journalctl` as child processes.
 * Promises: a unit name is never taken for an option; a child never outlives its request, nor holds more than a bounded
 * amount of its output in memory; lines are never torn.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { assert } from '../../core/failure.ts';
import { limits } from '../../core/limits.ts';
import { parseUnitName } from '../../core/unit-name.ts';
import type { UnitName } from '../../core/unit-name.ts';
import { RunnerUnavailable } from '../runner.ts';
import type { UnitInspector } from '../runner.ts';

/** Longest `systemctl status` may take: it asks systemd and reads the journal. */
const STATUS_MS_MAX = 30_000;
/** Status text is a screen full; more is cut off. */
const STATUS_CHARACTERS_MAX = 1_000_000;
/** A line without an end is handed on in pieces of this size. */
const LINE_CHARACTERS_MAX = 1_000_000;
const STATUS_JOURNAL_LINES = 10;

/** journalctl(1): the values --output takes. */
const journalOutputs: ReadonlySet<string> = new Set([
  'short', 'short-full', 'short-iso', 'short-iso-precise', 'short-precise', 'short-monotonic', 'short-delta', 'short-unix', 'verbose',
  'export', 'json', 'json-pretty', 'json-sse', 'json-seq', 'cat', 'with-unit',
]);

export function createUnitInspector(options: { readonly user: boolean }): UnitInspector {
  const instance = options.user ? ['--user'] : [];
  return {
    async status(name, signal) {
      const late = AbortSignal.any([signal, AbortSignal.timeout(STATUS_MS_MAX)]);
      const tool = run('systemctl',
        ['status', ...instance, '-l', '--no-pager', `--lines=${String(STATUS_JOURNAL_LINES)}`, '--', checked(name)], late);
      let text = '';
      try {
        for await (const lines of tool.lines) if (text.length < STATUS_CHARACTERS_MAX) text += lines;
      } catch (error) {
        signal.throwIfAborted();
        throw new RunnerUnavailable(`systemctl status: ${(error as Error).message}`);
      }
      const exitStatus = await tool.exitStatus;
      // It knows nothing of the unit, or cannot reach systemd: what it has to say about that stands on standard error.
      return { text: text === '' ? tool.complaint() : text, exitStatus };
    },
    async *journal(query, signal) {
      const { lines } = query;
      assert(Number.isInteger(lines) && lines >= 0 && lines <= limits.journalLinesMax, 'the caller bounds the lines');
      assert(journalOutputs.has(query.output), 'the caller checks the output');
      const unit = options.user ? '--user-unit' : '--unit';
      const tool = run('journalctl', [
        '--no-pager', '--quiet', `--lines=${String(lines)}`, `--output=${query.output}`,
        ...(query.follow ? ['--follow'] : []), `${unit}=${checked(query.name)}`,
      ], signal);
      yield* tool.lines;
      if (await tool.exitStatus !== 0) throw new RunnerUnavailable(`journalctl: ${tool.complaint().trim()}`);
    },
  };
}

/** Only complete unit names reach a command line: journalctl would take anything else for a pattern. */
function checked(name: UnitName): string {
  assert(parseUnitName(name).ok, `${name} is a unit name`);
  return name;
}

/** A tool that runs. */
interface Tool {
  /** Whole lines of its output, some at a time; ends it when the reader goes. Throws the signal's reason when aborted. */
  readonly lines: AsyncIterable<string>;
  /** Rejects with RunnerUnavailable when it could not be run or was killed. */
  readonly exitStatus: Promise<number>;
  /** What it wrote to standard error so far. */
  complaint(): string;
}

function run(command: string, args: readonly string[], signal: AbortSignal): Tool {
  signal.throwIfAborted();
  // The text is parsed by nobody, but shown: no colours, and English as in fleet's own words.
  const env = { ...process.env, SYSTEMD_COLORS: '0', SYSTEMD_URLIFY: '0', LC_ALL: 'C.UTF-8' };
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (complaint.length < STATUS_CHARACTERS_MAX) complaint += text;
  });
  const exitStatus = new Promise<number>((resolve, reject) => {
    child.once('error', (error) => reject(new RunnerUnavailable(`${command} cannot be run: ${error.message}`)));
    child.once('close', (status) => (status === null ? reject(new RunnerUnavailable(`${command} was killed`)) : resolve(status)));
  });
  // Whoever reads the lines to their end asks for it; others ended the tool and do not care.
  exitStatus.catch(() => undefined);
  return { lines: wholeLines(child, signal), exitStatus, complaint: () => complaint };
}

async function* wholeLines(child: ChildProcessByStdio<null, Readable, Readable>, signal: AbortSignal): AsyncGenerator<string> {
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  try {
    const decoder = new StringDecoder('utf8');
    let rest = '';
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      rest += decoder.write(chunk);
      const end = rest.length > LINE_CHARACTERS_MAX ? rest.length : rest.lastIndexOf('\n') + 1;
      if (end === 0) continue;
      yield rest.slice(0, end);
      rest = rest.slice(end);
    }
    signal.throwIfAborted();
    if (rest !== '') yield rest;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}
