/**
 * fleetd's configuration: text and environment to one validated value. No I/O: the composition root reads the file.
 * Promises: every option of fleet 1.0 is understood (those without a meaning here are named in `ignored`), environment wins over the
 * file, and a wrong line is a failure that names the option, the text and what would be right.
 */
import { readCpuMillis, readMemory, type MemoryAmount } from './core/amounts.ts';
import { failure, success, type Result } from './core/failure.ts';
import { limits } from './core/limits.ts';
import { nearest } from './core/spelling.ts';

/** How units are kept when fleetd is told to stop: `auto` asks systemd whether it is a stop or a restart. */
export type OnStop = 'auto' | 'leave' | 'keep';

/** The configuration of one fleetd. Times in milliseconds, paths absolute or as given. */
export interface Config {
  readonly verbosity: number;
  readonly store: 'auto' | 'etcd' | 'embedded';
  /** Null when nobody has set it: then `store=auto` looks for an etcd on the default ports. */
  readonly etcdServers: readonly string[] | null;
  readonly etcdUsername: string;
  readonly etcdPassword: string;
  readonly etcdKeyFile: string;
  readonly etcdCertFile: string;
  readonly etcdCaFile: string;
  readonly etcdKeyPrefix: string;
  readonly etcdRequestTimeoutMs: number;
  /** How often the leader throws old history of etcd away; Infinity: never. */
  readonly etcdCompactionIntervalMs: number;
  readonly publicIp: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** What of this machine is not for units. */
  readonly reservedMemory: MemoryAmount;
  readonly reservedCpuMillis: number;
  readonly agentTtlMs: number;
  /** How long the engine waits for machines that vanished together; 0: not at all, Infinity: until a person ends it. */
  readonly massLossHoldMs: number;
  readonly unitsDirectory: string;
  readonly systemdUser: boolean;
  readonly tokenLimit: number;
  readonly disableEngine: boolean;
  readonly dataDirectory: string;
  readonly runner: 'auto' | 'systemd' | 'supervisor';
  readonly onStop: OnStop;
  /** Addresses to listen on when no socket was passed: a path or host:port. Empty: the default socket. */
  readonly listen: readonly string[];
  readonly apiInsecure: boolean;
  /** host:port of the peer port; port 0 lets the kernel choose; empty host means all addresses. "" switches it off. */
  readonly peerListen: string;
  /** host:port of the DNS server, over UDP and TCP; none: there is no DNS server. */
  readonly dnsListen: readonly string[];
  /** The domain it answers for, lower case, without a dot at its end. */
  readonly dnsDomain: string;
  /** Options of fleet 1.0 that are accepted and do nothing. */
  readonly ignored: readonly string[];
}

/** The key prefix of fleet 1.0. */
export const defaultKeyPrefix = '/_coreos.com/fleet/';
/** The endpoints fleet 1.0 tries when nothing is configured. */
export const defaultEtcdServers: readonly string[] = ['http://127.0.0.1:2379', 'http://127.0.0.1:4001'];

/** Where things lie by default; without root the XDG directories. */
export interface ConfigDefaults {
  readonly dataDirectory: string;
  readonly unitsDirectory: string;
}

const defaults = (where: ConfigDefaults): Config => ({
  verbosity: 0,
  store: 'auto',
  etcdServers: null,
  etcdUsername: '',
  etcdPassword: '',
  etcdKeyFile: '',
  etcdCertFile: '',
  etcdCaFile: '',
  etcdKeyPrefix: defaultKeyPrefix,
  etcdRequestTimeoutMs: 1_000,
  etcdCompactionIntervalMs: 300_000,
  publicIp: '',
  metadata: {},
  reservedMemory: { bytes: 0 },
  reservedCpuMillis: 0,
  agentTtlMs: 30_000,
  massLossHoldMs: 120_000,
  unitsDirectory: where.unitsDirectory,
  systemdUser: false,
  tokenLimit: 100,
  disableEngine: false,
  dataDirectory: where.dataDirectory,
  runner: 'auto',
  onStop: 'auto',
  listen: [],
  apiInsecure: false,
  peerListen: ':0',
  dnsListen: [],
  dnsDomain: 'fleet',
  ignored: [],
});

/** Reads an option's value; a string result is what would have been right. */
type Read = (value: string) => Partial<Config> | string;

const text = (field: keyof Config): Read => (value) => ({ [field]: unquote(value) });

const choice = (field: keyof Config, words: readonly string[]): Read => (value) =>
  words.includes(unquote(value)) ? { [field]: unquote(value) } : `one of ${words.join(', ')}`;

const flag = (field: keyof Config): Read => (value) => {
  const word = unquote(value).toLowerCase();
  if (['true', 'yes', 'on', '1', 't'].includes(word)) return { [field]: true };
  if (['false', 'no', 'off', '0', 'f', ''].includes(word)) return { [field]: false };
  return 'true or false';
};

const count = (field: keyof Config, least: number, most: number): Read => (value) => {
  const number = Number(unquote(value));
  const right = Number.isInteger(number) && number >= least && number <= most;
  return right ? { [field]: number } : `a whole number from ${least} to ${most}`;
};

const seconds = (field: keyof Config, leastMs: number, mostMs: number): Read => (value) => {
  const durationMs = parseDurationMs(unquote(value));
  const right = durationMs !== null && durationMs >= leastMs && durationMs <= mostMs;
  return right ? { [field]: durationMs } : `a time from ${leastMs / 1_000}s to ${mostMs / 1_000}s such as 30s or 1m30s`;
};

/** `forever` is a time, too. */
const holdTime: Read = (value) => {
  const read = unquote(value) === 'forever' ? { massLossHoldMs: Infinity } : seconds('massLossHoldMs', 0, 86_400_000)(value);
  return typeof read === 'string' ? `${read}, or forever` : read;
};

const reservedMemory: Read = (value) => {
  const amount = readMemory(unquote(value));
  return amount.ok ? { reservedMemory: amount.value } : 'an amount of memory such as 512M, or a share of the machine such as 5%';
};

const reservedCpu: Read = (value) => {
  const millis = readCpuMillis(unquote(value));
  return millis.ok ? { reservedCpuMillis: millis.value } : 'a number of CPUs such as 1 or 0.5';
};

/** `0` is never. */
const compactionInterval: Read = (value) => {
  const durationMs = parseDurationMs(unquote(value));
  if (durationMs === 0) return { etcdCompactionIntervalMs: Infinity };
  const read = seconds('etcdCompactionIntervalMs', 10_000, 86_400_000)(value);
  return typeof read === 'string' ? `${read}, or 0 for never` : read;
};

const list = (field: keyof Config): Read => (value) => ({ [field]: parseList(value) });

const endpoints: Read = (value) => {
  const urls = parseList(value);
  const wrong = urls.find((url) => !/^https?:\/\/[^/\s]+\/?$/.test(url));
  if (wrong !== undefined) return `a list of http:// or https:// addresses (wrong: "${wrong}")`;
  return { etcdServers: urls.length === 0 ? null : urls };
};

const metadata: Read = (value) => {
  const pairs = parseMetadata(value);
  return pairs.ok ? { metadata: pairs.value } : pairs.failure.message;
};

const domain: Read = (value) => {
  const name = unquote(value).toLowerCase().replace(/\.$/, '');
  const isName = name.length <= 200 && /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/.test(name);
  return isName ? { dnsDomain: name } : 'a domain such as fleet or fleet.example.com';
};

/** Every option: the file's name for it and how it is read. The environment's name is FLEET_ and the name in upper case. */
const options: Readonly<Record<string, Read>> = {
  verbosity: count('verbosity', 0, 10),
  store: choice('store', ['auto', 'etcd', 'embedded']),
  etcd_servers: endpoints,
  etcd_username: text('etcdUsername'),
  etcd_password: text('etcdPassword'),
  etcd_keyfile: text('etcdKeyFile'),
  etcd_certfile: text('etcdCertFile'),
  etcd_cafile: text('etcdCaFile'),
  etcd_key_prefix: text('etcdKeyPrefix'),
  etcd_request_timeout: seconds('etcdRequestTimeoutMs', 100, 60_000),
  etcd_compaction_interval: compactionInterval,
  public_ip: text('publicIp'),
  metadata,
  reserved_memory: reservedMemory,
  reserved_cpu: reservedCpu,
  agent_ttl: seconds('agentTtlMs', 2_000, 3_600_000),
  mass_loss_hold: holdTime,
  units_directory: text('unitsDirectory'),
  systemd_user: flag('systemdUser'),
  token_limit: count('tokenLimit', 1, 65_535),
  disable_engine: flag('disableEngine'),
  data_dir: text('dataDirectory'),
  runner: choice('runner', ['auto', 'systemd', 'supervisor']),
  on_stop: choice('onStop', ['auto', 'leave', 'keep']),
  listen: list('listen'),
  api_insecure: flag('apiInsecure'),
  peer_listen: text('peerListen'),
  dns_listen: list('dnsListen'),
  dns_domain: domain,
};

/** Options of fleet 1.0 that mean nothing here: engine and agents wake on changes, gRPC and signatures are gone. */
const ignoredOptions: readonly string[] = [
  'engine_reconcile_interval', 'enable_grpc', 'disable_watches', 'verify_units', 'authorized_keys_file',
];

/** The names of all options as the file has them: those that do something, and those of fleet 1.0 that are only accepted. */
export const optionNames: { readonly read: readonly string[]; readonly ignored: readonly string[] } = { read: Object.keys(options), ignored: ignoredOptions };

/** Where configuration comes from: the file's text (null when there is none) and the process environment. */
export interface ConfigSources {
  readonly file: { readonly name: string; readonly text: string } | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly defaults: ConfigDefaults;
}

/** Reads file and environment. Fails with CONFIG_INVALID naming file and line, or the variable, and what would be right. */
export function readConfig(sources: ConfigSources): Result<Config> {
  let config = defaults(sources.defaults);
  const settings: Setting[] = [];
  if (sources.file !== null) {
    const lines = parseConfigFile(sources.file);
    if (!lines.ok) return lines;
    settings.push(...lines.value);
  }
  for (const name of [...Object.keys(options), ...ignoredOptions]) {
    const variable = `FLEET_${name.toUpperCase()}`;
    const value = sources.environment[variable];
    if (value !== undefined) settings.push({ name, value, where: variable });
  }
  for (const { name, value, where } of settings) {
    if (ignoredOptions.includes(name)) {
      config = { ...config, ignored: [...new Set([...config.ignored, name])] };
      continue;
    }
    const read = options[name];
    if (read === undefined) return failure('CONFIG_INVALID', unknownOption(name, where));
    const change = read(value);
    if (typeof change === 'string') {
      return failure('CONFIG_INVALID', `${where}: ${name}=${value} is wrong: expected ${change}`);
    }
    config = { ...config, ...change };
  }
  return success(config);
}

interface Setting {
  readonly name: string;
  readonly value: string;
  readonly where: string;
}

/** "key=value" lines; # and ; begin comments; a [section] line is tolerated as in the original's parser. */
function parseConfigFile(file: { readonly name: string; readonly text: string }): Result<readonly Setting[]> {
  const settings: Setting[] = [];
  for (const [index, raw] of file.text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';') || /^\[.*\]$/.test(line)) continue;
    const where = `${file.name} line ${index + 1}`;
    const equals = line.indexOf('=');
    if (equals < 1) return failure('CONFIG_INVALID', `${where}: "${line}" is not of the form option=value`);
    settings.push({ name: line.slice(0, equals).trim(), value: line.slice(equals + 1).trim(), where });
  }
  return success(settings);
}

function unknownOption(name: string, where: string): string {
  const near = nearest(name, Object.keys(options));
  return `${where}: there is no option "${name}"${near === null ? '; see docs/fleetd.md for all of them' : `; did you mean ${near}?`}`;
}

/** Takes one pair of quotes off, single or double. */
function unquote(value: string): string {
  const quoted = /^"([^"]*)"$|^'([^']*)'$/.exec(value);
  return quoted === null ? value : (quoted[1] ?? quoted[2] ?? '');
}

/** `["a","b"]`, `a,b`, `'a', 'b'`: brackets and quotes may be left out, as the original's slices. */
function parseList(value: string): string[] {
  const inner = unquote(value.replace(/^\[(.*)\]$/, '$1').trim());
  return inner.split(',').map((part) => unquote(part.trim())).filter((part) => part !== '');
}

/**
 * Machine metadata: pairs `key=value` and bare words, separated by commas, each quoted or not. A bare word is stored with key and
 * value alike, so that `MachineMetadata=10.58.9.83` matches a machine that has `10.58.9.83`.
 */
export function parseMetadata(value: string): Result<Readonly<Record<string, string>>> {
  const pairs: Record<string, string> = {};
  const parts = parseList(value);
  if (parts.length > limits.metadataPairsMax) {
    return failure('METADATA_INVALID', `at most ${limits.metadataPairsMax} metadata pairs (there are ${parts.length})`);
  }
  for (const part of parts) {
    const [key = '', ...rest] = part.split('=');
    const name = key.trim();
    const content = rest.length === 0 ? name : unquote(rest.join('=').trim());
    if (!/^[A-Za-z0-9_.:/-]+$/.test(name) || content === '' || part.length > limits.metadataCharactersMax) {
      return failure('METADATA_INVALID', `key=value pairs separated by commas (wrong: "${part.slice(0, 80)}")`);
    }
    pairs[name] = content;
  }
  return success(pairs);
}

/** Go's durations ("1m30s", "500ms") and plain seconds ("1.5"), as fleet 1.0's options have them; null when it is neither. */
export function parseDurationMs(value: string): number | null {
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1_000;
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== value) return null;
  return parts.reduce((sum, [, number = '0', unit = 's']) => sum + Number(number) * (units[unit] ?? 0), 0);
}
