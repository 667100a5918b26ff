/**
 * A way to the store on which answers come late: whoever has made a commit hears of it only then, and does nothing on it before.
 * Promises: requests are not delayed, answers keep their order; close() ends it and every connection over it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Lab } from './lab.ts';

export interface LateAnswers {
  /** Where machines of the lab reach the store in this way. */
  readonly endpoint: string;
  close(): Promise<void>;
}

const program = `
const net = require('node:net');
const [port, host, storePort, lateMs] = process.argv.slice(1);
net.createServer({ noDelay: true }, (asking) => {
  const store = net.connect({ port: Number(storePort), host, noDelay: true });
  asking.pipe(store);
  store.on('data', (data) => setTimeout(() => asking.write(data), Number(lateMs)));
  store.on('close', () => setTimeout(() => asking.destroy(), Number(lateMs)));
  asking.on('close', () => store.destroy());
  for (const end of [asking, store]) end.on('error', () => undefined);
}).listen(Number(port), host, () => console.log('listens'));
`;

export interface Lateness {
  /** Where it listens, on the lab's gateway. */
  readonly port: number;
  readonly lateMs: number;
}

/** Opens it. */
export async function openLateAnswers({ inHub }: Lab, storeEndpoint: string, { port, lateMs }: Lateness): Promise<LateAnswers> {
  const store = new URL(storeEndpoint);
  const [command = '', ...args] = [...inHub, process.execPath, '-e', program, String(port), store.hostname, store.port, String(lateMs)];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended]);
  if (child.exitCode !== null) throw new Error('answers cannot be made late');
  return {
    endpoint: `http://${store.hostname}:${String(port)}`,
    async close() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
