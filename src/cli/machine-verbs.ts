/** The verbs of fleetctl about machines and holds, as data. Promises: as verbs.ts, which lists them all. */
import { machineColumns, machineFields } from './columns.ts';
import { acceptStoreFlags, cordonFlags, drainFlags, holdFlags, machineListFlags, rebalanceFlags } from './flags.ts';
import { verb } from './verb-spec.ts';
import type { VerbSpec } from './verb-spec.ts';

const orderError = 'Error changing machines: ';
const machineWords = 'A machine is named by its id, the beginning of it, its hostname or its address.';

export const machineVerbs: readonly VerbSpec[] = [
  verb({
    name: 'accept-store',
    summary: 'Say that the store is right although machines doubt it',
    usage: '[--force] [--reason=TEXT]',
    flags: acceptStoreFlags,
    errorPrefix: 'Error accepting the store: ',
    description: [
      'A machine that finds its store wiped, put back from an older backup, or of another',
      'cluster touches no unit and says so in list-machines. This makes machines go on with what',
      'the store says now. Refused when that would stop units that run, unless --force is given;',
      'restore brings a backup back instead.',
    ],
    load: () => import('./verbs/accept-store.ts'),
  }),
  verb({
    name: 'cordon',
    summary: 'Keep new units away from machines',
    usage: '[--reason=TEXT] MACHINE...',
    flags: cordonFlags,
    errorPrefix: orderError,
    description: ['No unit is placed on the machines any more; those that are there stay.', machineWords],
    load: () => import('./verbs/cordon.ts'),
  }),
  verb({
    name: 'drain',
    summary: 'Move the units of machines elsewhere, a few at a time',
    usage: '[--reason=TEXT] [--global] [--keep-fenced] [--block] [--timeout=SECONDS] MACHINE...',
    flags: drainFlags,
    errorPrefix: orderError,
    description: [
      'The machines take no new units, and lose theirs to others, a few at a time. A unit that',
      'fits nowhere else goes on where it is. Global units stay unless --global is given; units',
      'with OnMachineLost=stop leave, too, unless --keep-fenced is given. Lasts until undrain.',
      machineWords,
    ],
    load: () => import('./verbs/drain.ts'),
  }),
  verb({
    name: 'forget',
    summary: 'Forget machines that are gone for good',
    usage: '[--reason=TEXT] MACHINE...',
    flags: cordonFlags,
    errorPrefix: orderError,
    description: [
      'Nothing is kept for the machines any more: no place in list-machines --all, no units',
      'assigned to them, nobody waits for them. A machine that comes back is a new one.',
      machineWords,
    ],
    load: () => import('./verbs/forget.ts'),
  }),
  verb({
    name: 'hold',
    summary: 'Leave the units of machines that go assigned to them',
    usage: '[--for=TIME] [--reason=TEXT] | --release',
    flags: holdFlags,
    errorPrefix: 'Error changing holds: ',
    description: [
      'No unit is moved because its machine is gone, until --for is over or --release ends it:',
      'for work on the network or the store. New units are started as ever. --release also ends',
      'the hold that begins by itself when most machines vanish at once.',
    ],
    load: () => import('./verbs/hold.ts'),
  }),
  verb({
    name: 'list-machines',
    summary: 'List the machines of the cluster',
    usage: '[-a|--all] [-l|--full] [--no-legend] [--fields=LIST]',
    flags: machineListFlags(machineFields, Object.keys(machineColumns)),
    errorPrefix: 'Error retrieving list of active machines from fleet API: ',
    saysStale: true,
    description: [
      'Lists the machines whose fleetd is alive; with --all also those that are gone, and the',
      'state of each. A hold and whatever is wrong is noted on stderr.',
    ],
    load: () => import('./verbs/list-machines.ts'),
  }),
  verb({
    name: 'uncordon',
    summary: 'Let machines take new units again',
    usage: 'MACHINE...',
    errorPrefix: orderError,
    description: ['Undoes cordon. A machine that is being drained takes no new units all the same.', machineWords],
    load: () => import('./verbs/uncordon.ts'),
  }),
  verb({
    name: 'undrain',
    summary: 'End the drain of machines',
    usage: 'MACHINE...',
    errorPrefix: orderError,
    description: [
      'No more units leave, and new ones may come; those that left stay where they are. Global',
      'units come back.',
      machineWords,
    ],
    load: () => import('./verbs/undrain.ts'),
  }),
  verb({
    name: 'rebalance',
    summary: 'Even out the units of machines, a few at a time',
    usage: '[--yes|--stop] [--fenced]',
    flags: rebalanceFlags,
    errorPrefix: 'Error rebalancing: ',
    description: [
      'Prints the moves that would even out the machines, for example after one came back, and',
      'changes nothing. With --yes the cluster makes them, at most five units on their way at once,',
      'also without this terminal; called again it prints what is left. Global units, those that',
      'say where they would rather be, and without --fenced those with OnMachineLost=stop stay.',
    ],
    load: () => import('./verbs/rebalance.ts'),
  }),
];
