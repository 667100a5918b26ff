/** The terminal this process runs at. Promises: what it was before is what it is afterwards. */
import type { Terminal } from '../ssh/terminal.ts';
import { standardError, standardOutput } from './output.ts';

let isStdinOpen = false;

/** Ends the reading of standard input, which would keep the process from ending. */
export function releaseTerminal(): void {
  if (isStdinOpen) process.stdin.destroy();
}

export const processTerminal: Terminal = {
  // Getters: touching a stream opens it, which commands that do not use it must not do.
  get stdin() {
    isStdinOpen = true;
    return process.stdin;
  },
  get stdout() {
    return standardOutput.stream();
  },
  get stderr() {
    return standardError.stream();
  },
  kind: process.env['TERM'] ?? 'xterm',
  size() {
    const { isTTY, columns, rows } = standardOutput.stream();
    return isTTY && process.stdin.isTTY ? { columns, rows } : null;
  },
  setRaw: (isRaw) => void process.stdin.setRawMode(isRaw),
  onResize(listener) {
    const stdout = standardOutput.stream();
    stdout.on('resize', listener);
    return () => stdout.off('resize', listener);
  },
};
