/**
 * Standard input and output of a process, as an SSH session and a person's answers need them.
 * Promises: what is typed behind an answer is not lost; the terminal is left as it was found.
 */
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { Person } from './host-check.ts';

/** Size of a terminal in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface Terminal {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** $TERM. */
  readonly kind: string;
  /** The size when both input and output are a terminal, else null. */
  size(): TerminalSize | null;
  /** Passes every key on instead of lines; false: as before. */
  setRaw(isRaw: boolean): void;
  /** Calls `listener` whenever the size has changed, until the returned function is called. */
  onResize(listener: () => void): () => void;
}

/** Asks on standard error, reads answers from standard input. */
export function personAt(terminal: Terminal): Person {
  return {
    tell: (text) => void terminal.stderr.write(text),
    async ask(question) {
      terminal.stderr.write(question);
      return readLine(terminal.stdin);
    },
  };
}

/** Longest answer that is read, in bytes. */
const answerBytesMax = 4_096;

/** One line without its end; what follows it stays in the stream. */
async function readLine(input: Readable): Promise<string> {
  let line = Buffer.alloc(0);
  for (;;) {
    const chunk = input.read() as Buffer | string | null;
    if (chunk === null) {
      if (input.readableEnded || input.destroyed) return line.toString();
      await Promise.race([once(input, 'readable'), once(input, 'end'), once(input, 'close')]);
      continue;
    }
    line = Buffer.concat([line, Buffer.from(chunk)]);
    const end = line.indexOf('\n');
    if (end === -1 && line.length < answerBytesMax) continue;
    const cut = end === -1 ? line.length : end;
    const rest = line.subarray(cut + 1);
    if (rest.length > 0) input.unshift(rest);
    return line.subarray(0, cut).toString();
  }
}
