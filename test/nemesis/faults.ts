/**
 * The kinds of trouble, each begun, held for a bounded while and ended, with evidence that it took effect.
 * Promises: a kind that cannot show its effect throws; nothing of it is left afterwards, also when it throws; only the clock of fleetd is ever moved.
 */
import { readFile } from 'node:fs/promises';
import type { Random } from '../../src/lib/random.ts';
import { must, run, until } from '../functional/lab/command.ts';
import type { Machine } from '../functional/lab/machine.ts';
import type { Fault } from './history.ts';
import { fakeClockFile, type EtcdMember, type World } from './world.ts';

/** What a kind of fault works with. */
export interface Torment {
  readonly world: World;
  readonly random: Random;
  /** Lets time pass with the fault in effect. */
  readonly hold: (ms: number) => Promise<void>;
}

/** What there is to say of a fault when it is over. */
export type Effect = Pick<Fault, 'takes' | 'fences' | 'evidence'>;
type FaultKind = (torment: Torment) => Promise<Effect>;

/** Shorter than a third of agent_ttl (5 s): nothing may be noticed. */
const shortMs = 1_500;
/** Longer than agent_ttl and than LostAfter= of the units that stop: machines are lost, fences fall. */
const longMs = 12_000;

const pick = <T>(random: Random, among: readonly T[]): T => {
  const found = among[Math.floor(random.next() * among.length)];
  if (found === undefined) throw new Error('nothing to choose from');
  return found;
};
const unnoticed = (evidence: string): Effect => ({ takes: [], fences: false, evidence });
const fleetdPid = async (machine: Machine): Promise<number> => Number(await machine.sh('systemctl show -P MainPID fleet'));

/** Waits until fleetd runs with another main process than before. */
async function replaced(machine: Machine, before: number): Promise<string> {
  const after = await until(async () => {
    const pid = await fleetdPid(machine);
    return pid !== 0 && pid !== before && pid;
  }, `fleetd of ${machine.name} runs again`, 30_000);
  return `${machine.name}: main process ${before} became ${after}`;
}

async function killFleetd(machine: Machine): Promise<Effect> {
  const before = await fleetdPid(machine);
  await machine.sh('systemctl kill --signal=KILL --kill-who=main fleet');
  return unnoticed(await replaced(machine, before));
}

async function pauseFleetd({ world, random, hold }: Torment, ms: number): Promise<Effect> {
  const machine = pick(random, world.machines);
  const pid = await fleetdPid(machine);
  await machine.sh(`kill -STOP ${pid}`);
  try {
    await until(async () => (await machine.sh(`grep ^State: /proc/${pid}/status`)).includes('T (stopped)'), `fleetd of ${machine.name} is stopped`);
    await hold(ms);
  } finally {
    await machine.sh(`kill -CONT ${pid}`);
  }
  return { takes: ms > shortMs ? [machine.name] : [], fences: false, evidence: `${machine.name}: process ${pid} was in state T` };
}

async function cut({ world, random, hold }: Torment, { count, ms }: { readonly count: number; readonly ms: number }): Promise<Effect> {
  const first = Math.floor(random.next() * world.machines.length);
  const chosen = Array.from({ length: count }, (_, index) => world.machines[(first + index) % world.machines.length]).filter((one) => one !== undefined);
  const names = chosen.map(({ name }) => name);
  try {
    for (const machine of chosen) await machine.cut();
    const answer = await world.lab.hub(['curl', '-s', '-m', '1', `http://${chosen[0]?.address ?? ''}:1/`]);
    if (answer.code !== 28 && answer.code !== 7) throw new Error(`${names.join()}: reached through a cut cable: ${answer.code}`);
    const inside = await chosen[0]?.exec(['bash', '-c', 'timeout 1 bash -c "</dev/tcp/10.58.0.1/2379"']);
    if (inside?.code === 0) throw new Error(`${names.join()}: reaches etcd through a cut cable`);
    await hold(ms);
  } finally {
    for (const machine of chosen) await machine.join();
  }
  return { takes: ms > shortMs ? names : [], fences: false, evidence: `${names.join(', ')}: etcd could not be reached` };
}

async function harmEtcd({ hold }: Torment, harmed: readonly EtcdMember[], ms: number): Promise<string> {
  for (const member of harmed) member.pause();
  try {
    for (const member of harmed) {
      await until(async () => /^State:\s+T/m.test(await readFile(`/proc/${member.pid()}/status`, 'utf8')), `etcd ${member.address} is stopped`);
    }
    await hold(ms);
  } finally {
    for (const member of harmed) member.resume();
  }
  return `${harmed.map(({ address }) => address).join(', ')} in state T`;
}

/** A random loss of packets by nftables, and a queue of little bandwidth by tc: kernels without netem have both. */
async function lossyLink({ world, random, hold }: Torment): Promise<Effect> {
  const machine = pick(random, world.machines);
  const inside = ['ip', 'netns', 'exec', `${world.lab.place.name}-${machine.name}`];
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

async function fullDisk({ world, random, hold }: Torment): Promise<Effect> {
  const machine = pick(random, world.machines);
  const used = Number((await machine.sh('df --output=used -k /run | tail -1')).trim());
  await machine.sh(`mount -o remount,size=${used + 4}k /run`);
  try {
    const written = await machine.exec(['sh', '-c', 'head -c 65536 /dev/zero >/run/nemesis-fill']);
    if (written.code === 0 || !written.stderr.includes('No space left')) throw new Error(`${machine.name}: /run was not full: ${written.stderr}`);
    await hold(shortMs);
  } finally {
    await machine.sh('mount -o remount,size=20% /run; rm -f /run/nemesis-fill');
  }
  return unnoticed(`${machine.name}: no space left in /run`);
}

async function clockStep({ world, random, hold }: Torment): Promise<Effect> {
  const machine = pick(random, world.machines);
  const aheadS = async (): Promise<number> => {
    const answer = await machine.sh('curl -s -m 3 -i --unix-socket /run/fleet.sock http://fleet/fleet/v1/machines');
    return Math.round((Date.parse(/^date: (.*)$/im.exec(answer)?.[1] ?? '') - Date.now()) / 1_000);
  };
  const stepS = random.next() < 0.5 ? -3_600 : 3_600;
  let seenS = 0;
  await machine.sh(`echo ${stepS > 0 ? '+' : ''}${stepS}s >${fakeClockFile}`);
  try {
    seenS = await until(async () => {
      const ahead = await aheadS();
      return Math.abs(ahead - stepS) < 60 && ahead;
    }, `the clock of fleetd on ${machine.name} is ${stepS} s ahead`, 15_000);
    await hold(shortMs);
  } finally {
    await machine.sh(`echo +0 >${fakeClockFile}`);
  }
  return unnoticed(`${machine.name}: fleetd's clock was ${seenS} s ahead`);
}

/** All kinds, by the name the log shows. */
export const faultKinds: Readonly<Record<string, FaultKind>> = {
  'kill fleetd': ({ world, random }) => killFleetd(pick(random, world.machines)),
  async 'kill the leader'({ world }) {
    const leader = await until(() => world.leader(), 'somebody leads', 30_000);
    const effect = await killFleetd(leader);
    return { ...effect, evidence: `it led; ${effect.evidence}` };
  },
  async 'restart fleet'({ world, random }) {
    const machine = pick(random, world.machines);
    const before = await fleetdPid(machine);
    await machine.sh('systemctl restart fleet');
    return unnoticed(await replaced(machine, before));
  },
  async 'reexecute systemd'({ world, random }) {
    const machine = pick(random, world.machines);
    // Each execution of a program lies at another random address (proc(5), randomize_va_space).
    const address = (): Promise<string> => machine.sh("head -1 /proc/1/maps | cut -d' ' -f1");
    const before = await address();
    await machine.sh('systemctl daemon-reexec');
    const after = await until(async () => {
      const now = await address();
      return now !== before && now;
    }, `process 1 of ${machine.name} has executed itself again`);
    return unnoticed(`${machine.name}: process 1 moved from ${before.trim()} to ${after.trim()}`);
  },
  'stop fleetd for a moment': (torment) => pauseFleetd(torment, shortMs),
  'stop fleetd for long': (torment) => pauseFleetd(torment, longMs),
  async 'kill an etcd member'({ world, random, hold }) {
    const member = pick(random, world.etcd);
    const before = member.pid();
    await member.kill();
    await hold(shortMs);
    member.start();
    await until(() => member.isHealthy(), `etcd ${member.address} is healthy`, 30_000);
    return unnoticed(`${member.address}: process ${before} became ${member.pid()}`);
  },
  async 'stop an etcd member'(torment) {
    return unnoticed(await harmEtcd(torment, [pick(torment.random, torment.world.etcd)], longMs / 2));
  },
  async 'stop the majority of etcd'(torment) {
    const spared = pick(torment.random, torment.world.etcd);
    const evidence = await harmEtcd(torment, torment.world.etcd.filter((member) => member !== spared), longMs);
    return { takes: [], fences: true, evidence };
  },
  async 'lose power'({ world, random, hold }) {
    const machine = pick(random, world.machines);
    const bootId = (): Promise<string> => machine.sh('cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1');
    const before = await bootId();
    await machine.kill();
    const off = !(await machine.running());
    await hold(random.next() < 0.5 ? 0 : longMs);
    await machine.boot();
    if (!off || before === await bootId()) throw new Error(`${machine.name} did not lose its power`);
    return { takes: [machine.name], fences: false, evidence: `${machine.name}: its processes were gone, it has booted again` };
  },
  'cut one machine for a moment': (torment) => cut(torment, { count: 1, ms: shortMs / 3 }),
  'cut one machine off': (torment) => cut(torment, { count: 1, ms: longMs }),
  'cut the majority off': (torment) => cut(torment, { count: 2, ms: longMs }),
  'lose packets': lossyLink,
  'fill the disk': fullDisk,
  "step fleetd's clock": clockStep,
};
