/**
 * Trouble of the network: cables that are pulled, packets that are lost or late.
 * Promises: those of faults.ts.
 */
import { must, run } from '../functional/lab/command.ts';
import type { Machine } from '../functional/lab/machine.ts';
import { longMs, pick, takenSince, type Effect, type Torment } from './torment.ts';
import type { World } from './world.ts';

/** How a program is run in the network of a machine. */
function networkOf({ lab }: World, machine: Machine): readonly string[] {
  return ['ip', 'netns', 'exec', `${lab.place.name}-${machine.name}`];
}

/** Pulls the cables of some machines. */
export async function cut({ world, random, hold }: Torment, { count, ms }: { readonly count: number; readonly ms: number }): Promise<Effect> {
  const first = Math.floor(random.next() * world.machines.length);
  const chosen = Array.from({ length: count }, (_, index) => world.machines[(first + index) % world.machines.length]).filter((one) => one !== undefined);
  const names = chosen.map(({ name }) => name);
  const beganMs = Date.now();
  try {
    for (const machine of chosen) await machine.cut();
    const [answer, inside] = await Promise.all([
      world.lab.hub(['curl', '-s', '-m', '1', `http://${chosen[0]?.address ?? ''}:1/`]),
      chosen[0]?.exec(['timeout', '1', 'bash', '-c', '</dev/tcp/10.58.0.1/2379']),
      hold(ms),
    ]);
    if (answer.code !== 28 && answer.code !== 7) throw new Error(`${names.join()}: reached through a cut cable: ${answer.code}`);
    if (inside?.code === 0) throw new Error(`${names.join()}: reaches etcd through a cut cable`);
  } finally {
    for (const machine of chosen) await machine.join();
  }
  return { takes: takenSince(beganMs, names), fences: false, evidence: `${names.join(', ')}: etcd could not be reached` };
}

/** A random loss of packets by nftables, and a queue of little bandwidth by tc: kernels without netem have both. */
export async function lossyLink({ world, random, hold }: Torment): Promise<Effect> {
  const machine = pick(random, world.machines);
  const inside = networkOf(world, machine);
  const rules = 'add table inet loss; add chain inet loss in { type filter hook input priority 0; }; '
    + 'add rule inet loss in iifname host0 numgen random mod 100 < 20 counter drop';
  let counted = '';
  let queued = '';
  try {
    await must([...inside, 'nft', rules]);
    await must([...inside, 'tc', 'qdisc', 'add', 'dev', 'host0', 'root', 'tbf', 'rate', '256kbit', 'burst', '2kb', 'latency', '400ms']);
    await hold(longMs / 2);
    counted = await must([...inside, 'nft', 'list', 'table', 'inet', 'loss']);
    queued = await must([...inside, 'tc', '-s', 'qdisc', 'show', 'dev', 'host0']);
  } finally {
    await run([...inside, 'nft', 'delete', 'table', 'inet', 'loss']);
    await run([...inside, 'tc', 'qdisc', 'del', 'dev', 'host0', 'root']);
  }
  const dropped = Number(/counter packets (\d+)/.exec(counted)?.[1] ?? 0);
  const delayed = Number(/overlimits (\d+)/.exec(queued)?.[1] ?? 0);
  if (dropped === 0) throw new Error(`${machine.name}: no packet was lost`);
  return { takes: [machine.name], fences: false, evidence: `${machine.name}: ${dropped} packets lost, ${delayed} times held back` };
}

/** Packets that leave a machine wait in a queue that is never empty: ping alone is more than it lets through, and tells how late they are. */
export async function slowLink({ world, random }: Torment): Promise<Effect> {
  const machine = pick(random, world.machines);
  const inside = networkOf(world, machine);
  let told = '';
  try {
    await must([...inside, 'tc', 'qdisc', 'add', 'dev', 'host0', 'root', 'tbf', 'rate', '64kbit', 'burst', '2kb', 'latency', '1s']);
    told = (await machine.exec(['ping', '-q', '-i', '0.1', '-s', '1400', '-w', String(longMs / 2_000), world.lab.gateway])).stdout;
  } finally {
    await run([...inside, 'tc', 'qdisc', 'del', 'dev', 'host0', 'root']);
  }
  const [, averageMs = 0, mostMs = 0] = /rtt min\/avg\/max\/mdev = ([\d.]+)\/([\d.]+)\/([\d.]+)\//.exec(told)?.slice(1).map(Number) ?? [];
  if (averageMs < 200) throw new Error(`${machine.name}: packets were not late: ${told}`);
  const late = `packets came back after ${Math.round(averageMs)} ms, ${Math.round(mostMs)} at most`;
  return { takes: [machine.name], fences: false, evidence: `${machine.name}: ${late}` };
}
