/** Promises about units that must not run twice, and about what a placement gives to a unit. */
import type { ClusterSnapshot } from '../../src/core/cluster.ts';
import { fenceDropInName } from '../../src/core/fence/drop-in.ts';
import type { MachineId } from '../../src/core/machine.ts';
import type { UnitName } from '../../src/core/unit-name.ts';
import { isDown } from '../../src/runner/fake-machine.ts';
import { decodeAssignment } from '../../src/store/records.ts';
import type { Checker } from '../witness.ts';

export const fencedRunOnce: Checker = {
  name: 'fenced-run-once',
  promise: 'a unit with OnMachineLost=stop never runs on two machines at once, whatever is cut off, frozen or dead',
  begin: ({ machines, broken }) => ({
    turned({ name }): void {
      const at = machines.filter(({ units: { units } }) => {
        const unit = units.get(name);
        return unit !== undefined && !isDown(unit) && fenceDropInName in unit.known.dropIns;
      });
      if (at.length > 1) broken(`${name} runs on ${at.map(({ id }) => id).join(' and ')}`);
    },
  }),
};

export const fenceTokensGrow: Checker = {
  name: 'fence-tokens-grow',
  promise: 'the fencing token of a unit grows with each placement',
  begin({ broken }) {
    const highest = new Map<UnitName, { readonly token: number; readonly machine: MachineId }>();
    return {
      moment({ changes, revision }): void {
        for (const { meaning, after } of changes) {
          const read = meaning?.kind === 'assignment' && after.value !== null ? decodeAssignment(after.value) : null;
          if (meaning?.kind !== 'assignment' || read?.ok !== true || read.value.fence === 0) continue;
          const token = read.value.fence;
          const before = highest.get(meaning.name) ?? { token: 0, machine: meaning.machine };
          const isSame = token === before.token && meaning.machine === before.machine;
          if (token < before.token || (token === before.token && !isSame)) {
            broken(
              `${meaning.name} got token ${token} on ${meaning.machine} at revision ${revision}, after ${before.token}`,
            );
          }
          highest.set(meaning.name, { token, machine: meaning.machine });
        }
      },
    };
  },
};

export const portsAreUnique: Checker = {
  name: 'ports-are-unique',
  promise: 'no port is given to two units of a machine, nor of the cluster if a unit asks for that (promise 12)',
  begin: ({ broken }) => ({
    moment({ changes, after, revision }): void {
      if (!changes.some(({ meaning }) => meaning?.kind === 'assignment')) return;
      const everywhere = new Map<number, UnitName>();
      for (const [machine, assignments] of after.assignments) {
        const here = new Map<number, UnitName>();
        for (const [name, { ports }] of assignments) {
          for (const port of Object.values(ports)) {
            const other = here.get(port) ?? (isSole(after, name) ? everywhere.get(port) : undefined);
            if (other !== undefined && other !== name) {
              broken(`port ${port} of ${other} was given to ${name} on ${machine} at revision ${revision}`);
            }
            here.set(port, name);
            if (isSole(after, name)) everywhere.set(port, name);
          }
        }
      }
    },
  }),
};

/** Whether the ports of a unit are to be its own in the whole cluster. */
function isSole({ units, files }: ClusterSnapshot, name: UnitName): boolean {
  const record = units.get(name);
  return record !== undefined && files.get(record.hash)?.text.includes('PortScope=cluster') === true;
}
