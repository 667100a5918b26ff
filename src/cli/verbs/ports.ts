/**
 * `fleetctl ports`: which unit has which port, and the pools of the cluster they are drawn from.
 * Promises: both notations of a pool are understood, NAME LOW-HIGH and [LOW-HIGH]=NAME; a wrong range or name is one line.
 */
import { parsePortName, parsePortRange, printRange } from '../../core/ports.ts';
import { failure, success } from '../../core/failure.ts';
import type { Result } from '../../core/failure.ts';
import type { PoolDetails } from '../../protocol/ports.ts';
import { poolColumns, poolFields, portColumns, portFields, printColumns } from '../columns.ts';
import { printTable } from '../print-table.ts';
import { complain, exitCodes, print, printJson } from '../session.ts';
import type { Session } from '../session.ts';

type Action = (session: Session, words: readonly string[]) => Promise<number>;

const actions: Readonly<Record<string, Action>> = { list: listPools, set: setPool, show: showPool, unset: unsetPool };

export async function run(session: Session): Promise<number> {
  const [word, ...words] = session.words;
  if (word === undefined) return listPorts(session);
  const action = Object.hasOwn(actions, word) ? actions[word] : undefined;
  if (action === undefined) return refuse(session, `unknown action "${word}" of "fleetctl ports"; there are ${Object.keys(actions).join(', ')}`);
  return action(session, words);
}

async function listPorts(session: Session): Promise<number> {
  const { ports } = await session.client.ports(session.environment.interrupted);
  return printTable(session, {
    json: ports, table: (options) => printColumns(portColumns, ports, { ...options, fields: options.fields || portFields }),
  });
}

async function listPools(session: Session, words: readonly string[]): Promise<number> {
  if (words.length > 0) return refuse(session, `"fleetctl ports list" takes no arguments, not "${words.join(' ')}"`);
  const { pools } = await session.client.portPools(session.environment.interrupted);
  return printTable(session, {
    json: pools, table: (options) => printColumns(poolColumns, pools, { ...options, fields: options.fields || poolFields }),
  });
}

async function setPool(session: Session, words: readonly string[]): Promise<number> {
  const pool = readPool(words);
  if (!pool.ok) return refuse(session, pool.failure.message);
  const { name, range } = pool.value;
  const { warnings } = await session.client.setPortPool(name, { range, force: session.flags.isOn('force') }, session.environment.interrupted);
  for (const warning of warnings) complain(session, `WARNING: ${warning}`);
  print(session, `Pool ${name} has ports ${range}`);
  return exitCodes.done;
}

async function showPool(session: Session, words: readonly string[]): Promise<number> {
  const name = readName('show', words);
  if (!name.ok) return refuse(session, name.failure.message);
  const pool = await session.client.portPool(name.value, session.environment.interrupted);
  if (pool === null) {
    complain(session, `there is no pool "${name.value}"`);
    return exitCodes.failed;
  }
  if (session.flags.text('output') === 'json') {
    printJson(session, pool);
    return exitCodes.done;
  }
  print(session, sayPool(pool));
  return printTable(session, {
    json: [], table: (options) => printColumns(portColumns, pool.ports, { ...options, fields: options.fields || portFields }),
  });
}

function sayPool({ name, low, high, given, changedAtMs }: PoolDetails): string {
  const since = new Date(changedAtMs).toISOString().replace(/\.\d+/, '');
  return `Pool ${name}: ports ${printRange({ low, high })}, ${String(given)} given out; as it is since ${since}`;
}

async function unsetPool(session: Session, words: readonly string[]): Promise<number> {
  const name = readName('unset', words);
  if (!name.ok) return refuse(session, name.failure.message);
  await session.client.setPortPool(name.value, { range: null, force: session.flags.isOn('force') }, session.environment.interrupted);
  print(session, `Pool ${name.value} is removed`);
  return exitCodes.done;
}

/** Reads `NAME LOW-HIGH`, or `[LOW-HIGH]=NAME` in one word. */
function readPool(words: readonly string[]): Result<{ readonly name: string; readonly range: string }> {
  const [first = '', second] = words;
  const bracketed = /^\[([^\]]*)\]=(.*)$/.exec(first);
  const [name, text] = bracketed === null ? [first, second] : [bracketed[2] ?? '', bracketed[1]];
  if (text === undefined || words.length > (bracketed === null ? 2 : 1)) {
    return failure('USAGE_INVALID', '"fleetctl ports set" takes a name and a range: fleetctl ports set apps.war 20001-20010');
  }
  const checked = parsePortName(name);
  if (!checked.ok) return checked;
  const range = parsePortRange(text);
  return range.ok ? success({ name: checked.value, range: printRange(range.value) }) : range;
}

function readName(action: string, words: readonly string[]): Result<string> {
  const [name, ...more] = words;
  if (name === undefined || more.length > 0) return failure('USAGE_INVALID', `"fleetctl ports ${action}" takes the name of one pool`);
  return parsePortName(name);
}

function refuse(session: Session, message: string): number {
  complain(session, message);
  return exitCodes.usage;
}
