/**
 * The kinds of trouble, each begun, held for a bounded while and ended, with evidence that it took effect.
 * Promises: a kind that cannot show its effect throws; nothing of it is left afterwards, also when it throws; only the clock of fleetd is ever moved.
 */
import { readFile } from 'node:fs/promises';
import { until } from '../functional/lab/command.ts';
import type { Machine } from '../functional/lab/machine.ts';
import { compoundFaults } from './compound-faults.ts';
import { cut, lossyLink, slowLink } from './network-faults.ts';
import { longMs, pick, shortMs, takenSince, unnoticed, type Effect, type FaultKind, type Torment } from './torment.ts';
import { fakeClockFile, type EtcdMember } from './world.ts';

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
  const beganMs = Date.now();
  await machine.sh(`kill -STOP ${pid}`);
  try {
    await until(async () => (await machine.sh(`grep ^State: /proc/${pid}/status`)).includes('T (stopped)'), `fleetd of ${machine.name} is stopped`);
    await hold(ms);
  } finally {
    await machine.sh(`kill -CONT ${pid}`);
  }
  return { takes: takenSince(beganMs, [machine.name]), fences: false, evidence: `${machine.name}: process ${pid} was in state T` };
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

async function losePower(machine: Machine, { random, hold }: Torment): Promise<Effect> {
  const bootId = (): Promise<string> => machine.sh('cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1');
  const before = await bootId();
  await machine.kill();
  const off = !(await machine.running());
  await hold(random.next() < 0.5 ? 0 : longMs);
  await machine.boot();
  if (!off || before === await bootId()) throw new Error(`${machine.name} did not lose its power`);
  return { takes: [machine.name], fences: false, evidence: `${machine.name}: its processes were gone, it has booted again` };
}

async function killLeader(torment: Torment): Promise<Effect> {
  const leader = await until(() => torment.world.leader(), 'somebody leads', 30_000);
  const effect = await killFleetd(leader);
  return { ...effect, evidence: `it led; ${effect.evidence}` };
}

async function fullDisk({ world, random, hold }: Torment): Promise<Effect> {
  const machine = pick(random, world.machines);
  // What is in use may grow between looking and making it the most.
  const fill = 'mount -o remount,size=$(( $(df --output=used -k /run | tail -1) + 4 ))k /run 2>/dev/null';
  await machine.sh(`for try in 1 2 3 4 5 6 7 8 9; do ${fill} && exit 0; done; echo 'in use: '$(df -k /run); exit 1`);
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

/** Those that hit one thing, by the name the log shows. */
const plainFaults: Readonly<Record<string, FaultKind>> = {
  'kill fleetd': ({ world, random }) => killFleetd(pick(random, world.machines)),
  'kill the leader': killLeader,
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
  async 'stop fleet and start it'({ world, random }) {
    const machine = pick(random, world.machines);
    await machine.sh('systemctl stop fleet');
    const state = (await machine.exec(['systemctl', 'is-active', 'fleet'])).stdout.trim();
    await machine.sh('systemctl start fleet');
    if (state !== 'inactive') throw new Error(`${machine.name}: fleet was ${state} after it was stopped`);
    return { takes: [machine.name], fences: false, evidence: `${machine.name}: fleet was inactive` };
  },
  async 'stop process 1 for a moment'({ world, random, hold }) {
    const machine = pick(random, world.machines);
    const seen = await machine.freeze(() => hold(shortMs));
    return unnoticed(`${machine.name}: process 1 was in state ${seen}`);
  },
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
  'lose power': (torment) => losePower(pick(torment.random, torment.world.machines), torment),
  'cut one machine for a moment': (torment) => cut(torment, { count: 1, ms: shortMs / 3 }),
  'cut one machine off': (torment) => cut(torment, { count: 1, ms: longMs }),
  'cut the majority off': (torment) => cut(torment, { count: 2, ms: longMs }),
  'lose packets': lossyLink,
  'delay packets': slowLink,
  'fill the disk': fullDisk,
  "step fleetd's clock": clockStep,
};

/** All kinds, by the name the log shows. */
export const faultKinds: Readonly<Record<string, FaultKind>> = { ...plainFaults, ...compoundFaults({ plainFaults, killLeader, losePower }) };
