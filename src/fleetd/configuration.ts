/**
 * From command line, file and environment to a plan: what this fleetd is going to be.
 * Promises: nothing is opened or changed before the whole configuration is known to be right.
 */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig, type Config } from '../config.ts';
import { failure, success, type Result } from '../core/failure.ts';
import { takePassedSockets } from '../host/activation.ts';
import { defaultRouteAddress, systemdIsRunning, type Reserve } from '../host/facts.ts';
import { readBootId, readHostname, readMachineId } from '../host/identity.ts';
import { KeeperUnavailable, keeperPath } from '../host/native.ts';
import { stopOrRestart } from './job-type.ts';
import { defaultDirectories, defaultSocket, type FleetdPlan, type LiveSettings, type MemberPlan } from './plan.ts';

const defaultConfigFile = '/etc/fleet/fleet.conf';

/** What the command line of fleetd asks for. */
export type CommandLine = { readonly kind: 'version' | 'help' } | { readonly kind: 'run'; readonly configFile: string | null };

/** What `fleetd --help` prints. */
export const helpText: string = `fleetd [--config FILE]

The daemon of fleet, the cluster-wide init system: it runs on every machine.

      --config FILE   Read the configuration from FILE instead of
                      ${defaultConfigFile}, which may be absent
  -h, --help          Print this and exit
      --version       Print the version and exit

Every option of the configuration is also read from the environment, as FLEET_
and its name in capitals. fleetctl is what gives orders to fleetd.
`;

/** fleetd takes `-config FILE`, `-version` and `-help`, with one or two dashes, as fleet 1.0 does. Fails with USAGE_INVALID. */
export function readCommandLine(argv: readonly string[]): Result<CommandLine> {
  const args = argv.map((word) => word.replace(/^-(?=[a-z]{2})/, '--'));
  try {
    const { values, positionals } = parseArgs({
      args, allowPositionals: true,
      options: { config: { type: 'string' }, version: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
    for (const kind of ['help', 'version'] as const)
      if (values[kind] === true || (positionals.length === 1 && positionals[0] === kind)) return success({ kind });
    if (positionals.length > 0) {
      return failure('USAGE_INVALID', `fleetd takes no arguments ("${positionals[0]}"). Did you mean to invoke fleetctl instead?`);
    }
    return success({ kind: 'run', configFile: values.config ?? null });
  } catch (error) {
    return failure('USAGE_INVALID', `${(error as Error).message.split('. ')[0]}; fleetd takes --config FILE and --version`);
  }
}

/** Reads the configuration: a file that was named has to exist, the default one may be absent. */
export async function loadConfig(configFile: string | null, environment: NodeJS.ProcessEnv): Promise<Result<Config>> {
  const directories = defaultDirectories(process.getuid?.() === 0, environment);
  const name = configFile ?? defaultConfigFile;
  let text: string | null = null;
  try {
    text = await readFile(name, 'utf8');
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (!absent || configFile !== null) return failure('CONFIG_INVALID', `cannot read ${name}: ${(error as Error).message}`);
  }
  return readConfig({
    file: text === null ? null : { name, text }, environment,
    defaults: { dataDirectory: directories.data, unitsDirectory: join(directories.runtime, 'units') },
  });
}

/** What of `config` a running fleetd takes over without a restart. */
export async function liveSettings(config: Config): Promise<LiveSettings> {
  return { address: await addressOf(config), metadata: config.metadata, reserve: reserveOf(config), verbosity: config.verbosity };
}

function reserveOf({ reservedMemory, reservedCpuMillis }: Config): Reserve {
  return { memory: reservedMemory, cpuMillis: reservedCpuMillis };
}

async function addressOf(config: Config): Promise<string> {
  return config.publicIp === '' ? defaultRouteAddress() : config.publicIp;
}

/** Works out the machine this fleetd is. */
export async function planFor(config: Config, environment: NodeJS.ProcessEnv): Promise<Result<FleetdPlan>> {
  const runtimeDirectory = defaultDirectories(process.getuid?.() === 0, environment).runtime;
  const dataDirectory = resolve(config.dataDirectory);
  const id = await readMachineId('/etc/machine-id', dataDirectory);
  if (!id.ok) return id;
  const runner = config.runner === 'auto' ? (systemdIsRunning() ? 'systemd' : 'supervisor') : config.runner;
  const member: MemberPlan = {
    id: id.value, hostname: readHostname(), bootId: await readBootId(), metadata: config.metadata, reserve: reserveOf(config), runner,
    address: await addressOf(config),
    unitsDirectory: resolve(config.unitsDirectory), stateDirectory: join(runtimeDirectory, 'state'), dataDirectory,
  };
  const passed = takePassedSockets(environment, process.pid);
  const listen = config.listen.length > 0 ? config.listen : passed.length > 0 ? [] : [defaultSocket(runtimeDirectory)];
  const keeper = await findKeeper(dataDirectory);
  if (!keeper.ok) return keeper;
  return success({
    config, members: [member], passed, listen, keeper: keeper.value,
    onStop: async () => (config.onStop === 'auto' ? stopOrRestart(environment, runner) : config.onStop),
  });
}

/** The keeper's path, or the one line that says why there is none. */
export async function findKeeper(dataDirectory: string): Promise<Result<string>> {
  try {
    return success(await keeperPath({ dataDirectory }));
  } catch (error) {
    if (!(error instanceof KeeperUnavailable)) throw error;
    return failure('CONFIG_INVALID', error.message);
  }
}
