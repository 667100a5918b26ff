/**
 * The verbs of fleetctl as data.
 * Promises: the command line, help and docs/fleetctl.md come from this table; the code of a verb is read only when it
 * runs.
 */
import { failure, success } from '../core/failure.ts';
import type { Result } from '../core/failure.ts';
import { nearest } from '../core/spelling.ts';
import { unitColumns, unitFields, unitFileColumns, unitFileFields } from './columns.ts';
import {
  eventFlags,
  importFlags,
  journalFlags,
  launchFlags,
  outputFlags,
  restoreFlags,
  sshFlags,
  statusFlags,
  submitFlags,
  unitListFlags,
  tableFlags,
  waitFlags,
} from './flags.ts';
import { machineVerbs } from './machine-verbs.ts';
import { serviceVerbs } from './service-verbs.ts';
import { verb } from './verb-spec.ts';
import type { VerbSpec } from './verb-spec.ts';

const listError = 'Error retrieving list of units from repository: ';

const unitVerbs: readonly VerbSpec[] = [
  verb({
    name: 'backup',
    summary: 'Write everything the cluster keeps to a file',
    usage: 'FILE',
    errorPrefix: 'Error making backup: ',
    description: [
      'Writes units, their files, where they run, what people changed about machines and what',
      'is remembered, all of one moment, with a checksum. Only the owner can read the file.',
    ],
    load: () => import('./verbs/backup.ts'),
  }),
  verb({
    name: 'cat',
    summary: 'Print the file of a unit',
    usage: 'UNIT',
    errorPrefix: 'Error retrieving unit: ',
    description: [
      'Prints the file of a submitted unit as the cluster keeps it: without comments,',
      'options grouped by section.',
    ],
    load: () => import('./verbs/cat.ts'),
  }),
  verb({
    name: 'destroy',
    summary: 'Stop units and remove them from the cluster',
    usage: 'UNIT...',
    flags: waitFlags,
    errorPrefix: 'Error destroying units: ',
    description: [
      'Removes units and their files from the cluster; the machines stop them. Returns',
      'once that is decided; with --block-attempts=N it waits until the units are gone.',
      'Patterns such as "app@*" name units that exist. Unknown names are passed over.',
    ],
    load: () => import('./verbs/destroy.ts'),
  }),
  verb({
    name: 'events',
    summary: 'Tell what happened to units and machines, and why',
    usage: '[-f|--follow] [-n|--lines=N] [UNIT|MACHINE]',
    flags: eventFlags,
    errorPrefix: 'Error retrieving events: ',
    description: [
      'Prints what is remembered of a unit, of a machine (and of units on it), or of everything:',
      'placements and moves with their reasons, failures, successes of oneshots; machines that',
      'came, left, were lost or returned. Units and machines that are gone are remembered, too.',
    ],
    load: () => import('./verbs/events.ts'),
  }),
  verb({
    name: 'explain',
    aliases: ['why'],
    summary: 'Say why a unit runs where it does, or why not',
    usage: 'UNIT',
    flags: outputFlags,
    errorPrefix: 'Error explaining unit: ',
    description: ['Prints one sentence about the unit, then what speaks for or against each machine.'],
    load: () => import('./verbs/explain.ts'),
  }),
  verb({
    name: 'fd-forward',
    summary: 'Pass standard input and output on to a unix socket',
    usage: 'SOCKET',
    online: false,
    description: ['What a tunnel runs on its host when sshd there does not reach the socket itself.'],
    load: () => import('./verbs/fd-forward.ts'),
  }),
  verb({
    name: 'help',
    summary: 'Show what fleetctl or one of its verbs does',
    usage: '[COMMAND]',
    online: false,
    description: ['Without a command it lists them all.'],
    load: () => import('./verbs/help.ts'),
  }),
  verb({
    name: 'import',
    summary: 'Take over a cluster of fleet 1.0 while its units run',
    usage: '[--dry-run] --from-etcd2=URL|--from-api=URL | --finish',
    flags: importFlags,
    errorPrefix: 'Error importing units: ',
    description: [
      'Reads the units, their states and the metadata set at run time of a cluster of fleet 1.0',
      'and stores them in this one. A unit that runs waits for its machine and is taken over',
      'there without being stopped, once a fleetd of this cluster runs on it. It can be done',
      'again and again; --finish ends it.',
    ],
    load: () => import('./verbs/import.ts'),
  }),
  verb({
    name: 'journal',
    summary: 'Print the log of a unit',
    usage: '[-f|--follow] [-n|--lines=N] [-o|--output=FORMAT] UNIT',
    flags: journalFlags,
    errorPrefix: 'Error reading journal: ',
    description: [
      'Prints the newest lines a unit has logged, wherever it runs. Of a unit that runs on',
      'several machines, every line begins with its machine.',
    ],
    load: () => import('./verbs/journal.ts'),
  }),
  verb({
    name: 'list-unit-files',
    summary: 'List the units that exist in the cluster',
    usage: '[-l|--full] [--no-legend] [--fields=LIST]',
    flags: tableFlags(unitFileFields, Object.keys(unitFileColumns)),
    errorPrefix: listError,
    description: [
      'Lists every submitted unit: the state asked for (DSTATE), the state it has come to',
      '(STATE) and the machine chosen for it (TARGET).',
    ],
    load: () => import('./verbs/list-unit-files.ts'),
  }),
  verb({
    name: 'list-units',
    summary: 'List the state of units on their machines',
    usage: '[--failed] [-l|--full] [--no-legend] [--fields=LIST]',
    flags: unitListFlags(unitFields, Object.keys(unitColumns)),
    errorPrefix: listError,
    description: [
      'Lists what the machines report of their units, in the words of systemd. A unit that',
      'runs on several machines has a row for each; one that is nowhere has none. --failed',
      'leaves those that failed, cannot be started, or are wanted and on no machine.',
    ],
    load: () => import('./verbs/list-units.ts'),
  }),
  verb({
    name: 'load',
    summary: 'Choose machines for units without starting them',
    usage: '[--no-block|--block-attempts=N] [--replace] UNIT...',
    flags: launchFlags,
    errorPrefix: 'Error loading units: ',
    description: [
      'Submits units that do not exist yet, then has a machine chosen for each and the unit',
      'loaded there. Returns when that is done.',
    ],
    load: () => import('./verbs/load.ts'),
  }),
  verb({
    name: 'restore',
    summary: 'Make the cluster what a backup says',
    usage: '[--force] FILE',
    flags: restoreFlags,
    errorPrefix: 'Error restoring backup: ',
    description: [
      'Checks the file, then puts what it holds into the cluster, which must have no units;',
      'with --force its units are replaced by those of the backup. Also from the embedded store',
      'into etcd: the way from one machine to a cluster (docs/backup.md).',
    ],
    load: () => import('./verbs/restore.ts'),
  }),
  verb({
    name: 'reset-failed',
    summary: 'Forget that units failed',
    usage: '[--no-block|--block-attempts=N] [UNIT...]',
    flags: waitFlags,
    errorPrefix: 'Error resetting units: ',
    description: [
      'Has the machines forget that units failed and how often they were started, and ends what',
      'fleet itself waits for before it tries a unit again. Starts nothing: "restart" does. Without',
      'units it takes all that "list-units --failed" lists.',
      '',
      'fleetctl reset-failed',
      'fleetctl reset-failed "app@*"',
    ],
    load: () => import('./verbs/reset-failed.ts'),
  }),
  verb({
    name: 'restart',
    summary: 'Stop units that run and start them again',
    usage: '[--no-block|--block-attempts=N] UNIT...',
    flags: waitFlags,
    errorPrefix: 'Error restarting units: ',
    description: [
      'Restarts units on the machines they are on, and starts them there when they were',
      'loaded only. Returns when all run again; a global unit is restarted on all machines.',
    ],
    load: () => import('./verbs/restart.ts'),
  }),
  verb({
    name: 'ssh',
    summary: 'Open a shell on a machine, or run a command there',
    usage: '[-A|--forward-agent] [--ssh-port=N] [--machine=ID|--unit=UNIT|ID|UNIT] [COMMAND...]',
    flags: sshFlags,
    errorPrefix: 'Unable to proceed: ',
    description: [
      'Goes to a machine by its id, or the beginning of it, or to the machine of a unit. The',
      'keys are those of the ssh-agent at SSH_AUTH_SOCK. Without a command it opens a shell.',
      "The exit code is the command's; everything behind its first word belongs to it.",
    ],
    wordsBeforeCommand: (values) => (values.has('machine') || values.has('unit') ? 1 : 2),
    load: () => import('./verbs/ssh.ts'),
  }),
  verb({
    name: 'start',
    summary: 'Start units, submitting them first if necessary',
    usage: '[--no-block|--block-attempts=N] [--replace] UNIT...',
    flags: launchFlags,
    errorPrefix: 'Error starting units: ',
    description: [
      'Submits units that do not exist yet, has a machine chosen for each, and starts them.',
      'Returns when they really are active (units that end by themselves: have run), or when',
      'one has failed or fits on no machine, and then says why. Global units are started',
      'everywhere without waiting for them.',
      '',
      'An argument is a unit name, a path, a brace expression or, for units that exist, a',
      'pattern. An instance such as app@1.service is made from app@.service, which is looked',
      'for in the cluster, then in the folder of the argument.',
      '',
      'fleetctl start web.service',
      'fleetctl start myapp/*',
      'fleetctl start "app@{1..3}.service"',
    ],
    load: () => import('./verbs/start.ts'),
  }),
  verb({
    name: 'status',
    summary: 'Show how units do',
    usage: 'UNIT...',
    flags: statusFlags,
    errorPrefix: 'Error retrieving status: ',
    description: [
      'Prints what systemctl says about the units on their machines: for a global unit one',
      "block for each machine. The exit code is systemctl's, the highest of all blocks.",
    ],
    load: () => import('./verbs/status.ts'),
  }),
  verb({
    name: 'stop',
    summary: 'Stop units, leaving them on their machines',
    usage: '[--no-block|--block-attempts=N] UNIT...',
    flags: waitFlags,
    errorPrefix: 'Error stopping units: ',
    description: [
      'Stops units and returns when they have stopped. They stay loaded where they are.',
      'Patterns such as "app@*" name units that exist.',
    ],
    load: () => import('./verbs/stop.ts'),
  }),
  verb({
    name: 'submit',
    summary: 'Add units to the cluster without starting them',
    usage: '[--replace] UNIT...',
    flags: submitFlags,
    errorPrefix: 'Error creating units: ',
    description: [
      'Stores unit files in the cluster. A unit that exists with other content is left as',
      'it is; with --replace it is replaced while it is inactive.',
    ],
    load: () => import('./verbs/submit.ts'),
  }),
  verb({
    name: 'unload',
    summary: 'Take units off their machines',
    usage: '[--no-block|--block-attempts=N] UNIT...',
    flags: waitFlags,
    errorPrefix: 'Error unloading units: ',
    description: [
      'Stops units and removes them from their machines; their files stay in the cluster.',
      'Patterns such as "app@*" name units that exist.',
    ],
    load: () => import('./verbs/unload.ts'),
  }),
  verb({
    name: 'verify',
    summary: 'Check unit files without submitting them',
    usage: 'FILE...',
    online: false,
    flags: outputFlags,
    description: [
      'Prints the errors and warnings of unit files, one a line, as FILE:LINE: TEXT. Needs no',
      'cluster. The exit code is 1 when there is an error; warnings alone leave it 0.',
    ],
    load: () => import('./verbs/verify.ts'),
  }),
  verb({
    name: 'version',
    summary: 'Print the version and exit',
    usage: '',
    online: false,
    description: ['Prints the version of fleetctl.'],
    load: () => import('./verbs/version.ts'),
  }),
];

/** All verbs, by name. */
export const verbs: readonly VerbSpec[] = [...unitVerbs, ...machineVerbs, ...serviceVerbs].sort((left, right) =>
  left.name < right.name ? -1 : 1,
);

/** The verbs of fleet 1.0. A beginning that was clear among them stays so, whatever verbs have come since. */
const originalVerbs: ReadonlySet<string> = new Set([
  'cat', 'destroy', 'fd-forward', 'help', 'journal', 'list-machines', 'list-unit-files', 'list-units', 'load', 'restart', 'ssh', 'start',
  'status', 'stop', 'submit', 'unload', 'verify', 'version',
]);

/** The verb a word means: its name, an alias, or a beginning that only one name has, or one alone of fleet 1.0's. */
export function findVerb(text: string): Result<VerbSpec> {
  const namesOf = (spec: VerbSpec): readonly string[] => [spec.name, ...spec.aliases];
  const exact = verbs.find((spec) => namesOf(spec).includes(text));
  if (exact !== undefined) return success(exact);
  const begun = text === '' ? [] : verbs.filter((spec) => namesOf(spec).some((name) => name.startsWith(text)));
  const original = begun.filter(({ name }) => originalVerbs.has(name));
  const [only] = begun.length === 1 ? begun : original.length === 1 ? original : [];
  if (only !== undefined) return success(only);
  if (begun.length > 0)
    return failure(
      'USAGE_INVALID',
      `command "${text}" can mean ${begun.map((spec) => spec.name).join(', ')}; write more of it`,
    );
  const near = nearest(text, verbs.flatMap(namesOf));
  const hint = near === null ? 'run "fleetctl help" for the list' : `did you mean "${near}"?`;
  return failure('USAGE_INVALID', `unknown command "${text}" for "fleetctl"; ${hint}`);
}
