/**
 * A command or a shell on the other side, with the input and output of this process.
 * Promises: at a terminal the other side has one, too, of the same kind and size, which follows when the window
 * changes; otherwise bytes are passed on unchanged and standard error stays apart; the exit status is the remote one.
 */
import { constants } from 'node:os';
import type { Client, ClientChannel, PseudoTtyOptions } from 'ssh2';
import { sayChannel } from './connect.ts';
import { SshFailure } from './ssh.ts';
import type { Terminal, TerminalSize } from './terminal.ts';

/** The exit status when the connection ended before the command did, as of ssh(1). */
const connectionLost = 255;

/** Runs `command`, or the shell when it is null. */
export async function runSession(
  client: Client,
  what: { readonly command: string | null; readonly terminal: Terminal },
  signal: AbortSignal,
): Promise<number> {
  const { command, terminal } = what;
  const size = terminal.size();
  const channel = await openSession(client, { command, pty: size === null ? null : ptyOf(terminal, size) });
  const release = size === null ? () => undefined : takeTerminal(terminal, channel);
  const stop = (): void => {
    channel.destroy();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) stop();
    return await passOn(channel, terminal);
  } finally {
    signal.removeEventListener('abort', stop);
    release();
    signal.throwIfAborted();
  }
}

function ptyOf(terminal: Terminal, { columns, rows }: TerminalSize): PseudoTtyOptions {
  return { term: terminal.kind, cols: columns, rows };
}

function openSession(
  client: Client,
  what: { readonly command: string | null; readonly pty: PseudoTtyOptions | null },
): Promise<ClientChannel> {
  const { command, pty } = what;
  return new Promise((resolve, reject) => {
    const opened = (error: Error | undefined, channel: ClientChannel): void => {
      if (error === undefined) resolve(channel);
      else reject(new SshFailure(`the host opens no session: ${sayChannel(error)}`));
    };
    if (command === null) client.shell(pty ?? false, opened);
    else client.exec(command, pty === null ? {} : { pty }, opened);
  });
}

/** Passes every key and every change of the window's size on; the returned function gives the terminal back. */
function takeTerminal(terminal: Terminal, channel: ClientChannel): () => void {
  terminal.setRaw(true);
  const stopWatching = terminal.onResize(() => {
    const size = terminal.size();
    if (size !== null) channel.setWindow(size.rows, size.columns, 0, 0);
  });
  return () => {
    stopWatching();
    terminal.setRaw(false);
  };
}

/** Resolves with the exit status once the channel has ended and all of its output is written. */
function passOn(channel: ClientChannel, { stdin, stdout, stderr }: Terminal): Promise<number> {
  return new Promise((resolve) => {
    stdin.pipe(channel);
    channel.pipe(stdout, { end: false });
    channel.stderr.pipe(stderr, { end: false });
    // The command may end without reading its input.
    channel.on('error', () => undefined);
    // Not by the event "exit", which may come before anybody listens: "close" tells the same and waits for the output.
    channel.once('close', (code?: number | null, signalName?: NodeJS.Signals) => {
      stdin.unpipe(channel);
      stdin.pause();
      resolve(statusOf(code, signalName));
    });
  });
}

function statusOf(code: number | null | undefined, signalName: NodeJS.Signals | undefined): number {
  if (code === undefined) return connectionLost;
  return code ?? 128 + (signalName === undefined ? 0 : (constants.signals[signalName] ?? 0));
}
