/**
 * Whose is the record that stands under this machine's id: our own from before, or another machine's?
 * Promises: two that go by the same id never take the record from each other in turn.
 */
import type { MachineRecord } from '../core/machine.ts';
import type { RememberedLease } from './memory.ts';

/** The record found under the id, with the lease it lives by. */
export interface Incumbent {
  /** null when it cannot be read. */
  readonly record: MachineRecord | null;
  readonly leaseId: string | null;
}

/**
 * Why the record is to be left alone, as one line; null when it is this machine's own and may be taken over:
 * - the disk remembers its lease: this machine was here before, in this boot or, when the boot ids differ, before a quick reboot;
 * - it is of this boot and of a process that began earlier. Of two at once on one machine the later one wins and keeps it.
 * Anything else is another machine with the same id, as far as can be known: if it is gone, its lease soon is, too.
 */
export function whyTaken(own: MachineRecord, incumbent: Incumbent, remembered: RememberedLease | null): string | null {
  const { record, leaseId } = incumbent;
  if (remembered !== null && remembered.leaseId === leaseId) return null;
  if (record === null) return `the record of machine ${own.id} in the store cannot be read`;
  if (record.bootId !== own.bootId) {
    const address = record.publicIp === '' ? '' : `, ${record.publicIp}`;
    return `another machine has the id ${own.id} (${record.hostname}${address}); give one of them another machine id`;
  }
  if (record.startedAtMs > own.startedAtMs) return `another fleetd of this machine, started later, has the id ${own.id}`;
  return null;
}
