/**
 * Command line flags as data, and what fleetctl's own ones are.
 * Promises: help, docs/fleetctl.md and the reader of the command line all come from these tables.
 */

/** One flag. `fallback` is its value when it is not given, as text. */
export interface FlagSpec {
  readonly name: string;
  /** One-letter name, accepted as `-l` and, as fleet 1.0 had it, `--l`. */
  readonly short?: string;
  readonly kind: 'switch' | 'text' | 'integer' | 'number' | 'port';
  readonly fallback: string;
  readonly choices?: readonly string[];
  readonly text: string;
}

function toggle(name: string, text: string, short?: string): FlagSpec {
  return { name, kind: 'switch', fallback: 'false', text, ...(short === undefined ? {} : { short }) };
}

function word(name: string, fallback: string, text: string): FlagSpec {
  return { name, kind: 'text', fallback, text };
}

/** Where fleetd listens when nothing else is said (fleet 1.0). */
export const defaultEndpoint = 'unix:///var/run/fleet.sock';

/** The key prefix of fleet 1.0. */
export const defaultKeyPrefix = '/_coreos.com/fleet/';

/** Flags every verb takes; each is also read from FLEETCTL_NAME in the environment. */
export const globalFlags: readonly FlagSpec[] = [
  word('ca-file', '', 'PEM file of the certificate authority that signed the certificate of the API (or of etcd)'),
  word('cert-file', '', 'PEM file of the client certificate shown to the API (or to etcd)'),
  toggle('debug', 'Tell on stderr what is asked of whom'),
  {
    ...word('driver', 'API', 'How to reach the cluster: "API" asks a fleetd, "etcd" works on etcd itself'),
    choices: ['API', 'etcd'],
  },
  word(
    'endpoint',
    defaultEndpoint,
    'Where the API listens, or etcd with --driver=etcd; several, separated by commas, are tried in turn',
  ),
  word('etcd-cafile', '', 'Deprecated: has no effect, use --ca-file'),
  word('etcd-certfile', '', 'Deprecated: has no effect, use --cert-file'),
  word(
    'etcd-key-prefix',
    defaultKeyPrefix,
    'Key prefix of the cluster in etcd; without an API of that prefix fleetctl asks etcd itself',
  ),
  word('etcd-keyfile', '', 'Deprecated: has no effect, use --key-file'),
  { ...toggle('experimental-api', 'Deprecated: has no effect'), fallback: 'true' },
  toggle('help', 'Show help and exit', 'h'),
  word('key-file', '', 'PEM file of the key of --cert-file'),
  word(
    'known-hosts-file',
    '~/.fleetctl/known_hosts',
    'File of the host keys that ssh and --tunnel trust',
  ),
  {
    name: 'request-timeout',
    kind: 'number',
    fallback: '3',
    text: 'Seconds until the answer to a request must have begun',
  },
  {
    name: 'ssh-timeout',
    kind: 'number',
    fallback: '10',
    text: 'Seconds until an SSH connection must be there',
  },
  word('ssh-username', 'core', 'User to be on other machines, for ssh and --tunnel'),
  {
    ...toggle('strict-host-key-checking', 'Check the keys of hosts before SSH connections are used'),
    fallback: 'true',
  },
  word('tunnel', '', 'HOST or HOST:PORT to go through by SSH: --endpoint is meant as seen from there'),
  toggle('version', 'Print the version and exit', 'v'),
];

const outputFlag: FlagSpec = {
  name: 'output',
  short: 'o',
  kind: 'text',
  fallback: 'table',
  choices: ['table', 'json'],
  text: 'How to print: a table for people, or the JSON of the API',
};

const noBlock: FlagSpec = toggle('no-block', 'Return once the request is stored, without waiting for the machines');

const blockAttempts: FlagSpec = {
  name: 'block-attempts',
  kind: 'integer',
  fallback: '0',
  text: 'Wait at most N times 2 seconds; 0 waits as long as it takes',
};

const sign: FlagSpec = toggle('sign', 'Deprecated: has no effect');

const replace: FlagSpec = toggle('replace', 'Replace units that exist with other content');

/** Flags of the verbs that print a table, with the fields it shows and those there are. */
export function tableFlags(fields: string, valid: readonly string[]): readonly FlagSpec[] {
  return [
    word('fields', fields, `Columns to print, separated by commas; there are ${valid.join(', ')}`),
    toggle('full', 'Do not shorten ids and hashes', 'l'),
    toggle('no-legend', 'Leave out the line of column headings'),
    outputFlag,
  ];
}

/** Flags of list-units. */
export function unitListFlags(fields: string, valid: readonly string[]): readonly FlagSpec[] {
  return [toggle('failed', 'Only units that failed or cannot run, with the reason'), ...tableFlags(fields, valid)];
}

/** Flags of list-machines. */
export function machineListFlags(fields: string, valid: readonly string[]): readonly FlagSpec[] {
  return [toggle('all', 'Also machines that are gone, and the state of each', 'a'), ...tableFlags(fields, valid)];
}

function sshPort(text: string): FlagSpec {
  return { name: 'ssh-port', kind: 'port', fallback: '22', text };
}

const reason = word('reason', '', 'Why, for people: shown by list-machines and explain');

/** Flags of verbs, by what the verbs do. */
export const cordonFlags: readonly FlagSpec[] = [reason];
export const drainFlags: readonly FlagSpec[] = [
  toggle('block', 'Wait until nothing is left on the machines but what stays'),
  toggle('global', 'Stop global units there, too'),
  toggle('keep-fenced', 'Leave units with OnMachineLost=stop where they are'),
  reason,
  { name: 'timeout', kind: 'number', fallback: '600', text: 'With --block: how long to wait' },
];
export const rebalanceFlags: readonly FlagSpec[] = [
  toggle('fenced', 'Units with OnMachineLost=stop, too'),
  outputFlag,
  toggle('stop', 'End the rebalance that goes on; what was moved stays'),
  toggle('yes', 'Move the units; without it nothing is changed', 'y'),
];
export const holdFlags: readonly FlagSpec[] = [
  word('for', '', 'How long: 30min, 2h; without it until --release'),
  reason,
  toggle('release', 'End what holds, whoever began it'),
];
export const acceptStoreFlags: readonly FlagSpec[] = [
  toggle('force', 'Also when units that run are stopped by it'), reason,
];
export const outputFlags: readonly FlagSpec[] = [outputFlag];
export const submitFlags: readonly FlagSpec[] = [replace, sign];
export const launchFlags: readonly FlagSpec[] = [blockAttempts, noBlock, replace, sign];
export const waitFlags: readonly FlagSpec[] = [blockAttempts, noBlock];
export const scaleFlags: readonly FlagSpec[] = [blockAttempts, noBlock];
export const releaseFlags: readonly FlagSpec[] = [
  word('batch', '', 'Units to change at a time: a number such as 2, or a share such as 25%'),
  word('file', '', 'The new unit file; else the one of that name here, else the one the cluster has'),
  toggle('follow', 'With status: show how it goes on, until it ends', 'f'),
  word('health-timeout', '', 'How long a unit may take to become healthy, such as 5min'),
  {
    name: 'generation',
    kind: 'integer',
    fallback: '',
    text: 'With undo: the generation to go back to; else the one before',
  },
  toggle('in-place', 'Stop each unit and start it anew under its name'),
  { name: 'max-failures', kind: 'integer', fallback: '', text: 'Units that may fail before the release has failed' },
  word('min-active', '', 'How long a unit has to stay healthy to count, such as 10s'),
  noBlock,
  toggle('no-rollback', 'Hold the release when it fails, instead of going back'),
  outputFlag,
  toggle('pause', 'Pause after the first batch'),
  toggle('surge', 'Start a new instance first, then let go of the old one'),
];
export const statusFlags: readonly FlagSpec[] = [
  outputFlag,
  toggle('no-block', 'Accepted for scripts of fleet 1.0: has no effect'),
  sshPort('Accepted for scripts of fleet 1.0: no SSH is needed'),
];
export const importFlags: readonly FlagSpec[] = [
  toggle('dry-run', 'Only say what would be imported'),
  toggle('finish', 'End the import: units whose machine has not come may be placed elsewhere'),
  word('from-api', '', 'URL of the API of fleet 1.0: http://HOST:PORT or unix:///PATH'),
  word('from-etcd2', '', 'URL of an etcd that keeps the cluster of fleet 1.0: http://HOST:PORT'),
  word('from-key-prefix', defaultKeyPrefix, 'Key prefix of that cluster'),
];
export const sshFlags: readonly FlagSpec[] = [
  toggle('forward-agent', 'Let the machine use the keys of the ssh-agent here', 'A'),
  word('machine', '', 'Id of the machine, or its beginning'),
  sshPort('Port of sshd on the machine'),
  word('unit', '', 'Unit whose machine is meant'),
];
export const poolFlags: readonly FlagSpec[] = [
  toggle('force', 'Set or unset a pool although ports of it are given out, or its range overlaps another'),
];
export const restoreFlags: readonly FlagSpec[] = [
  toggle('force', 'Replace the units that are there, and begin an unfinished restore again'),
];
export const eventFlags: readonly FlagSpec[] = [
  toggle('follow', 'Go on with new lines as they come', 'f'),
  toggle('full', 'Do not shorten ids and hashes', 'l'),
  { name: 'lines', short: 'n', kind: 'integer', fallback: '1000', text: 'How many of the newest events to print' },
  outputFlag,
];
export const renderFlags: readonly FlagSpec[] = [
  word('to', '', 'File to write'),
  word('exec', '', 'Line of shell to run after the text of the file has changed'),
  toggle('watch', 'Go on, and render anew whenever the service directory changes'),
];

export const journalFlags: readonly FlagSpec[] = [
  toggle('follow', 'Go on with new lines as they come', 'f'),
  { name: 'lines', short: 'n', kind: 'integer', fallback: '10', text: 'How many of the newest lines to print' },
  {
    name: 'output',
    short: 'o',
    kind: 'text',
    fallback: 'short',
    text: 'Format of the lines, as journalctl names them: short, cat, json ...',
  },
  sshPort('Accepted for scripts of fleet 1.0: no SSH is needed'),
  toggle('sudo', 'Accepted for scripts of fleet 1.0: has no effect'),
];
