/**
 * What goes wrong in a simulated cluster, as a table: add a row and it happens.
 * Promises: a fault ends by itself, or when faults stop; none is worse than what the store's and the runner's contracts
 * allow.
 */
import { keys, parseKey } from '../src/store/keys.ts';
import type { Weather } from './fate.ts';
import type { SimulatedMachine } from './machine.ts';
import { seconds } from './machine.ts';
import { pick, scaled } from './world.ts';
import type { Dice, EventKind, World } from './world.ts';

/** Does something to one machine, if it can be done there; answers what, without the machine's name. */
const toMachine = (
  weight: number,
  act: (world: World, machine: SimulatedMachine, dice: Dice) => string | null,
): EventKind => ({
  weight,
  begin(world, dice): string | null {
    const machine = pick(world.machines, dice[0]);
    const done = act(world, machine, dice);
    return done === null ? null : `${machine.id}: ${done}`;
  },
});

const kill = toMachine(3, (world, machine, [, when]) => {
  if (machine.running() === null) return null;
  const forMs = scaled(when, [100, 60_000]);
  machine.kill();
  world.during(forMs, machine.start);
  return `fleetd is killed, and started again after ${seconds(forMs)}`;
});

const dieAtCall = toMachine(4, (world, machine, [, when, which, isAfter]) => {
  const running = machine.running();
  if (running === null) return null;
  const call = 1 + scaled(which, [0, 40]);
  const dies = isAfter < 0.5 ? 'before' : 'after';
  world.fates.doom(running.process, call, dies);
  const forMs = scaled(when, [2_000, 40_000]);
  world.during(forMs, () => {
    machine.kill();
    machine.start();
  });
  return `fleetd dies ${dies} its call ${String(call)}, and is started again after ${seconds(forMs)}`;
});

const freeze = toMachine(2, (world, machine, [, when]) => {
  const running = machine.running();
  if (running === null || running.process.state() !== 'running') return null;
  const forMs = scaled(when, [500, 120_000]);
  running.process.freeze();
  world.during(forMs, running.process.thaw);
  return `fleetd is stopped by SIGSTOP for ${seconds(forMs)}`;
});

const restart = toMachine(2, (_world, machine) => {
  if (machine.running() === null) return null;
  machine.stop('keep');
  machine.start();
  return 'systemctl restart fleet';
});

const leave = toMachine(1, (world, machine, [, when]) => {
  if (machine.running() === null) return null;
  const forMs = scaled(when, [5_000, 200_000]);
  machine.stop('leave');
  world.during(forMs, machine.start);
  return `systemctl stop fleet, and start after ${seconds(forMs)}`;
});

const powerLoss = toMachine(2, (world, machine, [, when]) => {
  if (!machine.isOn()) return null;
  const forMs = scaled(when, [500, 150_000]);
  machine.powerOff();
  world.during(forMs, machine.boot);
  return `power loss for ${seconds(forMs)}`;
});

const cut = toMachine(2, (world, machine, [, when, how]) => cutOff(world, [machine], { when, how }));

/** Cuts machines off from the store: refused at once, or without a word. */
function cutOff(
  world: World,
  machines: readonly SimulatedMachine[],
  { when, how }: { readonly when: number; readonly how: number },
): string | null {
  const whole = machines.filter(({ link }) => link.state() === 'up');
  if (whole.length === 0) return null;
  const forMs = scaled(when, [200, 150_000]);
  for (const { link } of whole) {
    if (how < 0.5) link.cut();
    else link.silence();
    world.during(forMs, link.heal);
  }
  return `cut off from the store ${how < 0.5 ? 'with connections refused' : 'in silence'} for ${seconds(forMs)}`;
}

const partition: EventKind = {
  weight: 1,
  begin(world, [which, when, how, side]): string | null {
    const first = Math.floor(which * world.machines.length);
    const size = Math.ceil(side * world.machines.length);
    const machines = Array.from(
      { length: size },
      (_, index) => world.machines[(first + index) % world.machines.length],
    ).filter((one) => one !== undefined);
    const done = cutOff(world, machines, { when, how });
    return done === null ? null : `${machines.map(({ id }) => id).join(', ')}: ${done}`;
  },
};

const storeOutage: EventKind = {
  weight: 1.5,
  begin({ server, during }, [how, when]): string | null {
    if (server.state() !== 'up') return null;
    const forMs = scaled(when, [50, 120_000]);
    if (how < 0.5) server.goDown();
    else server.hang();
    during(forMs, server.recover);
    return `the store ${how < 0.5 ? 'is down' : 'hangs'} for ${seconds(forMs)}`;
  },
};

const compaction: EventKind = {
  weight: 1.5,
  begin({ server, chronicle }, [back]): string | null {
    if (!server.isRight()) return null;
    const revision = Math.max(0, chronicle.revision() - scaled(back, [0, 30]));
    server.data.compact(revision as Parameters<typeof server.data.compact>[0]);
    return `the store's history is compacted up to revision ${String(revision)}`;
  },
};

const leaseExpiry: EventKind = {
  weight: 1,
  begin({ server, chronicle, machines }, [whose]): string | null {
    if (!server.isRight()) return null;
    const key = pick([keys.leader, ...machines.map(({ id }) => keys.machine(id))], whose);
    // What is fenced counts on the store keeping a lease for its whole time.
    const meaning = parseKey(key);
    const assigned = meaning?.kind === 'machine' ? chronicle.snapshot().assignments.get(meaning.machine) : undefined;
    if ([...(assigned?.values() ?? [])].some(({ fence }) => fence > 0)) return null;
    const { leaseId } = chronicle.at(key, chronicle.revision());
    if (leaseId === null) return null;
    server.data.expireLease(leaseId);
    return `the lease of ${key} expires before its time`;
  },
};

const clockStep = toMachine(1, (_world, machine, [, far, direction]) => {
  const byMs = scaled(far, [1_000, 100_000_000]) * (direction < 0.5 ? -1 : 1);
  machine.clock.step(byMs);
  return `the wall clock jumps by ${seconds(byMs)}`;
});

const runnerTrouble = toMachine(2, (world, { trouble }, [, when, how]) => {
  if (trouble.isSilent || trouble.delayMs > 0) return null;
  const forMs = scaled(when, [500, 90_000]);
  if (how < 0.5) trouble.isSilent = true;
  else trouble.delayMs = scaled(how, [100, 5_000]);
  const words = trouble.isSilent ? 'does not answer' : `takes ${seconds(trouble.delayMs)} more for each call`;
  world.during(forMs, () => Object.assign(trouble, { isSilent: false, delayMs: 0 }));
  return `the manager of its units ${words} for ${seconds(forMs)}`;
});

const storm: EventKind = {
  weight: 1.5,
  begin({ fates, during }, [failing, slow, when]): string {
    const weather: Weather = { latencyMs: [1, 200], failing: failing * 0.3, slow: slow * 0.2, slowMs: 20_000 };
    const forMs = scaled(when, [1_000, 60_000]);
    const before = fates.weather();
    fates.become(weather);
    during(forMs, () => fates.become(before));
    const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
    return `a storm for ${seconds(forMs)}: ${percent(failing * 0.3)} of calls fail, ${percent(slow * 0.2)} take long`;
  },
};

const newMetadata = toMachine(1, (_world, machine, [, role]) => {
  machine.metadata = role < 0.5 ? { role: 'db' } : { role: 'web' };
  machine.running()?.fleetd.reload();
  return `its configuration says role=${machine.metadata['role'] ?? ''}`;
});

/** Every kind of fault by the name it has in events. */
export const faults: Readonly<Record<string, EventKind>> = {
  kill,
  dieAtCall,
  freeze,
  restart,
  leave,
  powerLoss,
  cut,
  partition,
  storeOutage,
  compaction,
  leaseExpiry,
  clockStep,
  runnerTrouble,
  storm,
  newMetadata,
};
