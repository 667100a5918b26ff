/** A health check by connection. Promises: sends nothing, and closes as soon as the connection stands. */
import { connect } from 'node:net';

/** `address` is HOST:PORT, an IPv6 address in brackets. */
export function probeTcp(address: string, signal: AbortSignal): Promise<string | null> {
  const [, bracketed, plain, port = ''] = /^(?:\[(.*)\]|([^:]*)):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? plain ?? '';
  if (host === '' || Number(port) > 65_535) return Promise.resolve(`${address} is no HOST:PORT; is the port's name right?`);
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    const end = (why: string | null): void => {
      signal.removeEventListener('abort', stop);
      socket.destroy();
      resolve(why);
    };
    const stop = (): void => end('ended');
    socket.on('connect', () => end(null));
    socket.on('error', (error) => end(`${address}: ${error.message}`));
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
}
