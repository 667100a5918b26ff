/** Services with ports for the functional tests, and what machines and fleetctl say of them. */
import type { Cluster } from './cluster.ts';
import { run, until } from './lab/command.ts';
import type { Machine } from './lab/machine.ts';

/** A web server on its port; `section` are its lines of [X-Fleet]. */
export const webServer = (...section: readonly string[]): string =>
  ['[Service]', 'ExecStart=/usr/bin/python3 -m http.server ${FLEET_PORT}', '', '[X-Fleet]', ...section, ''].join('\n');

/** What `fleetctl ports` lists, by unit. */
export async function portsOf({ fleetctl }: Cluster): Promise<ReadonlyMap<string, number>> {
  const { stdout } = await fleetctl('ports', '--no-legend', '--fields=unit,port');
  return new Map(stdout.split('\n').filter((line) => line !== '').map((line) => {
    const [unit = '', port] = line.split(/\t+/);
    return [unit, Number(port)];
  }));
}

/** Whether a web server answers on a port of a machine, asked there. */
export async function answers(machine: Machine, port: number): Promise<boolean> {
  return (await machine.exec(['curl', '-sf', '-m', '5', '-o', '/dev/null', `http://127.0.0.1:${String(port)}/`])).code === 0;
}

/** Waits until the cluster knows that something listens on a port of a machine. */
export async function untilReported({ lab }: Cluster, id: string, port: number): Promise<void> {
  const ask = async (): Promise<string> =>
    (await run([...lab.inHub, 'etcdctl', '--endpoints=http://10.58.0.1:2379', 'get', `/fleet/machine-ports/${id}`, '--print-value-only'])).stdout;
  await until(async () => (JSON.parse((await ask()).trim() || '{"listening":[]}') as { listening: number[] }).listening.includes(port),
    async () => `port ${String(port)} is reported: ${await ask()}`);
}
