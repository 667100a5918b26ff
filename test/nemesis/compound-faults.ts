/**
 * Faults that come at a bad moment: two at once, and one in the middle of a release.
 * Promises: those of faults.ts; of two at once both show their effect, and they harm different machines.
 */
import type { Machine } from '../functional/lab/machine.ts';
import { pick, type Effect, type FaultKind, type Torment } from './torment.ts';

/** What these are put together from. */
export interface Ingredients {
  readonly plainFaults: Readonly<Record<string, FaultKind>>;
  readonly killLeader: FaultKind;
  losePower(machine: Machine, torment: Torment): Promise<Effect>;
}

/** The first harms one machine or etcd, the second another machine meanwhile. */
const pairs: readonly (readonly [string, string])[] = [
  ['stop the majority of etcd', 'lose power'],
  ['stop the majority of etcd', 'kill fleetd'],
  ['stop the majority of etcd', 'restart fleet'],
  ['cut one machine off', 'lose power'],
  ['cut one machine off', 'reexecute systemd'],
  ['cut one machine off', 'kill an etcd member'],
  ['stop fleetd for long', 'stop an etcd member'],
  ['stop fleetd for long', 'restart fleet'],
  ['delay packets', 'kill the leader'],
  ['lose packets', "step fleetd's clock"],
];

/** Kinds by the name the log shows. */
export function compoundFaults({ plainFaults, killLeader, losePower }: Ingredients): Readonly<Record<string, FaultKind>> {
  return {
    async 'two faults at once'(torment) {
      const [first, second] = pick(torment.random, pairs);
      const machine = pick(torment.random, torment.world.machines);
      const others = torment.world.machines.filter((other) => other !== machine);
      const effects = await both(
        named(plainFaults, first)(amongst(torment, [machine])), named(plainFaults, second)(amongst(torment, others)));
      return {
        takes: effects.flatMap(({ takes }) => takes), fences: effects.some(({ fences }) => fences),
        evidence: `${first} (${effects[0].evidence}) and ${second} (${effects[1].evidence})`,
      };
    },
    async 'kill the leader in a release'(torment) {
      const { says } = await torment.driver.beginRelease();
      const effect = await killLeader(torment);
      return { ...effect, evidence: `${says}; ${effect.evidence}` };
    },
    async 'lose power in a release'(torment) {
      const { says, machine } = await torment.driver.beginRelease();
      const effect = await losePower(machine ?? pick(torment.random, torment.world.machines), torment);
      return { ...effect, evidence: `${says}; ${effect.evidence}` };
    },
  };
}

function named(kinds: Readonly<Record<string, FaultKind>>, name: string): FaultKind {
  const kind = kinds[name];
  if (kind === undefined) throw new Error(`there is no fault "${name}"`);
  return kind;
}

function amongst(torment: Torment, machines: readonly Machine[]): Torment {
  return { ...torment, world: { ...torment.world, machines } };
}

/** Both to their end, also when one throws: each has something to take back. */
async function both(first: Promise<Effect>, second: Promise<Effect>): Promise<readonly [Effect, Effect]> {
  await Promise.allSettled([first, second]);
  return [await first, await second];
}
