/**
 * fleetctl as a function: a command line and an environment in, an exit code out.
 * Promises: exit 2 and one line on stderr for wrong usage, before anything is asked of a cluster; one place prints what
 * endpoints and the API complain about; an interrupted command ends with 130; the client is closed in every case.
 */
import type { FleetClient } from '../client/client.ts';
import { ApiError, Unreachable } from '../client/errors.ts';
import { failure, success } from '../core/failure.ts';
import type { Result } from '../core/failure.ts';
import { checkValue, createFlags, readCommandLine } from './arguments.ts';
import type { Flags } from './arguments.ts';
import { openClient } from './connect.ts';
import type { Environment } from './environment.ts';
import { globalFlags } from './flags.ts';
import type { FlagSpec } from './flags.ts';
import { programHelp, verbHelp } from './help.ts';
import { complain, exitCodes, print } from './session.ts';
import type { Session } from './session.ts';
import { findVerb, verbs } from './verbs.ts';
import type { VerbSpec } from './verb-spec.ts';

/** What a command line asks for. */
interface Request {
  /** Null when no verb was given. */
  readonly verb: VerbSpec | null;
  readonly flags: Flags;
  readonly words: readonly string[];
}

/** Runs one command. `argv` is without the program's name. */
export async function runFleetctl(argv: readonly string[], environment: Environment): Promise<number> {
  const request = readRequest(argv, environment.env);
  if (!request.ok) {
    complain({ environment }, request.failure.message);
    return exitCodes.usage;
  }
  const { verb, flags, words } = request.value;
  if (flags.isOn('version')) {
    print({ environment }, `fleetctl version ${environment.version}`);
    return exitCodes.done;
  }
  if (verb === null || flags.isOn('help')) {
    environment.stdout.write(verb === null || verb.name === 'help' ? programHelp(environment.version) : verbHelp(verb));
    return exitCodes.done;
  }
  try {
    return await runVerb(verb, {
      environment,
      flags,
      words,
      client: offlineClient,
      help: (word) => helpText(word, environment.version),
    });
  } catch (error) {
    if (environment.interrupted.aborted) return exitCodes.interrupted;
    if (!(error instanceof ApiError) && !(error instanceof Unreachable)) throw error;
    complain({ environment }, `${verb.errorPrefix}${error.message}`);
    return exitCodes.failed;
  }
}

function helpText(word: string | undefined, version: string): Result<string> {
  if (word === undefined) return success(programHelp(version));
  const verb = findVerb(word);
  return verb.ok ? success(verbHelp(verb.value)) : verb;
}

async function runVerb(verb: VerbSpec, session: Session): Promise<number> {
  const { run } = await verb.load();
  if (!verb.online) return run(session);
  const { environment, flags } = session;
  let staleSince: string | null = null;
  const connect: Environment['connect'] = (options) => environment.connect({ ...options, onStale: (since) => { staleSince = since; } });
  const client = await openClient({ ...environment, connect }, flags, environment.interrupted);
  if (!client.ok) {
    const isUsage = client.failure.code === 'USAGE_INVALID';
    complain(session, isUsage ? client.failure.message : `Unable to initialize client: ${client.failure.message}`);
    return isUsage ? exitCodes.usage : exitCodes.failed;
  }
  try {
    return await run({ ...session, client: client.value });
  } finally {
    if (staleSince !== null && verb.saysStale !== true) {
      complain(session, `NOTE: the store is away since ${String(staleSince)}: what is shown was heard before that`);
    }
    await client.value.close();
  }
}

/** The client of verbs that need no cluster: using it is a bug. */
const offlineClient: FleetClient = new Proxy({} as FleetClient, {
  get: (_, method) => {
    throw new Error(`an offline verb calls client.${String(method)}`);
  },
});

/**
 * Reads the command line in two steps: up to the verb with the flags of all verbs, then all of it with the flags that
 * verb takes. That a name means the same kind of flag everywhere, bar --output, is what makes the first step right; a test
 * says so.
 */
function readRequest(argv: readonly string[], env: Environment['env']): Result<Request> {
  const all = [...globalFlags, ...verbs.flatMap((spec) => spec.flags)].map(({ choices: _, ...spec }) => spec);
  const first = readCommandLine(argv, all, () => true);
  const word = first.ok ? first.value.words[0] : undefined;
  if (first.ok && word === undefined) return finishRequest(null, { argv, env, specs: globalFlags });
  if (word === undefined) return first.ok ? failure('USAGE_INVALID') : first;
  const verb = findVerb(word);
  return verb.ok ? finishRequest(verb.value, { argv, env, specs: [...globalFlags, ...verb.value.flags] }) : verb;
}

interface Sources {
  readonly argv: readonly string[];
  readonly env: Environment['env'];
  readonly specs: readonly FlagSpec[];
}

function finishRequest(verb: VerbSpec | null, sources: Sources): Result<Request> {
  const before = verb?.wordsBeforeCommand;
  const line = readCommandLine(sources.argv, sources.specs, ({ words, values }) =>
    before === undefined ? false : words.length > before(values),
  );
  if (!line.ok)
    return verb === null ? line : failure(line.failure.code, `${line.failure.message} (fleetctl help ${verb.name})`);
  const values = new Map<string, string>();
  for (const spec of globalFlags) {
    const variable = `FLEETCTL_${spec.name.toUpperCase().replaceAll('-', '_')}`;
    const text = sources.env[variable];
    if (text === undefined || text === '') continue;
    const checked = checkValue(spec, text, variable);
    if (!checked.ok) return checked;
    values.set(spec.name, checked.value);
  }
  for (const [name, value] of line.value.values) values.set(name, value);
  return success({ verb, flags: createFlags(sources.specs, values), words: line.value.words.slice(1) });
}
