/** A machine loses its power: how long until its units run elsewhere, by the moment systemd there says they became active. */
import { until } from '../test/functional/lab/command.ts';
import type { Machine } from '../test/functional/lab/machine.ts';
import { ttlMs, writeUnit, type BenchCluster } from './cluster.ts';
import { median, ms, type Bench, type Measure, type Row } from './measure.ts';

const afterTtlMs = 600;
const units = 6;

export const lostMachine: Measure = {
  name: 'a lost machine', quick: true, limitMs: 600_000,
  async measure(bench: Bench): Promise<readonly Row[]> {
    const cluster = await bench.cluster();
    const taken: number[] = [];
    for (let round = 0; round < (bench.quick ? 2 : 9); round += 1) {
      const took = await oneRound(cluster, round);
      bench.say(`  round ${round + 1}: ${ms(took)}`);
      taken.push(took);
    }
    const middle = median(taken);
    return [{
      what: 'a machine loses its power, all its units run elsewhere', target: `≤ ttl + ${afterTtlMs} ms`,
      figure: `${((middle - ttlMs) < 0 ? 'ttl − ' : 'ttl + ') + ms(Math.abs(middle - ttlMs))}`,
      beside: `ttl ${ttlMs / 1_000} s; from ${ms(Math.min(...taken))} to ${ms(Math.max(...taken))} after the power, ${taken.length} rounds`,
      met: middle <= ttlMs + afterTtlMs,
    }];
  },
};

async function oneRound(cluster: BenchCluster, round: number): Promise<number> {
  const { machines } = cluster;
  await cluster.empty();
  // Names of their own: a unit that has lost one machine after the other waits before it is placed anew.
  const template = `moving${round}@.service`;
  await writeUnit(cluster.first, template);
  await cluster.first.sh(`cd /root; fleetctl start '${template.replace('@', `@{1..${units}}`)}'`);
  const lost = machines[round % machines.length];
  const watcher = machines[(round + 1) % machines.length];
  if (lost === undefined || watcher === undefined) throw new Error('no machine to lose');
  const moved = (await placesOf(watcher)).filter(({ machine }) => machine === lost.id).map(({ unit }) => unit);
  if (moved.length === 0) throw new Error(`no unit on ${lost.name}`);
  const lostAtMs = Date.now();
  await lost.kill();
  await until(async () => {
    const places = await placesOf(watcher);
    return places.length === units && places.every(({ machine, active }) => machine !== lost.id && active === 'active');
  }, 'all units run elsewhere', 60_000);
  const places = (await placesOf(watcher)).filter(({ unit }) => moved.includes(unit));
  const activeAtMs = await Promise.all(places.map(({ unit, machine }) => activeSinceMs(machines.find(({ id }) => id === machine) ?? watcher, unit)));
  await lost.boot();
  await lost.sh('systemctl start fleet.service');
  return Math.max(...activeAtMs) - lostAtMs;
}

async function placesOf(machine: Machine): Promise<readonly { readonly unit: string; readonly machine: string; readonly active: string }[]> {
  const { stdout } = await machine.exec(['fleetctl', 'list-units', '--no-legend', '--full', '--fields=unit,machine,active']);
  return stdout.split('\n').filter((line) => line !== '').map((line) => {
    const [unit = '', place = '', active = ''] = line.split(/\t+/);
    return { unit, machine: place.slice(0, 32), active };
  });
}

/** By the clock all machines share with the host. */
async function activeSinceMs(machine: Machine, unit: string): Promise<number> {
  const [usec = ''] = (await machine.sh(`systemctl show --timestamp=us+utc -P ActiveEnterTimestamp '${unit}'`)).trim().split('\n');
  const found = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\.(\d{3})/.exec(usec);
  if (found === null) throw new Error(`${unit} on ${machine.name} is active since "${usec}"`);
  return Date.parse(`${found[1] ?? ''}T${found[2] ?? ''}.${found[3] ?? ''}Z`);
}
