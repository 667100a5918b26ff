/** The terminal this process runs at. Promises: what it was before is what it is afterwards. */
import type { Terminal } from '../ssh/terminal.ts';

let isStdinOpen = false;

/** Ends the reading of standard input, which would keep the process from ending. */
export function releaseTerminal(): void {
  if (isStdinOpen) process.stdin.destroy();
}

export const processTerminal: Terminal = {
  // A getter: touching standard input opens it, which commands that do not read it must not do.
  get stdin() {
    isStdinOpen = true;
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  kind: process.env['TERM'] ?? 'xterm',
  size() {
    const { isTTY, columns, rows } = process.stdout;
    return isTTY && process.stdin.isTTY ? { columns, rows } : null;
  },
  setRaw: (isRaw) => void process.stdin.setRawMode(isRaw),
  onResize(listener) {
    process.stdout.on('resize', listener);
    return () => process.stdout.off('resize', listener);
  },
};
