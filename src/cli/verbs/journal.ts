/**
 * `fleetctl journal`: what a unit has logged, on whatever machines it is.
 * Promises: of several machines every line names its own and no line is torn; one machine's lines are passed on
 * unchanged.
 */
import { shortMachineId } from '../../core/machine.ts';
import { limits } from '../../core/limits.ts';
import { readOneUnit } from '../names.ts';
import { complain, exitCodes } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const { client, environment, flags } = session;
  const signal = environment.interrupted;
  const argument = readOneUnit(session.words, 'One unit file must be provided');
  if (!argument.ok) {
    complain(session, argument.failure.message);
    return exitCodes.failed;
  }
  const { name } = argument.value;
  if (flags.number('lines') > limits.journalLinesMax) {
    complain(
      session,
      `--lines=${flags.text('lines')} is more than the ${limits.journalLinesMax} lines that can be asked for at once`,
    );
    return exitCodes.usage;
  }
  const unit = await client.unit(name, signal);
  if (unit === null || unit.machines.length === 0) {
    complain(
      session,
      unit === null ? `Unit ${name} does not exist.` : `Unit ${name} does not appear to be running.`,
    );
    return exitCodes.failed;
  }
  const query = {
    name: unit.name,
    lines: flags.number('lines'),
    follow: flags.isOn('follow'),
    output: flags.text('output'),
  };
  if (!unit.global) {
    for await (const text of client.journal(query, signal)) environment.stdout.write(text);
    return exitCodes.done;
  }
  // journalctl's JSON carries the machine in its own fields, and a prefix would break it.
  const isPlain = !query.output.startsWith('json') && query.output !== 'export';
  const readMachine = async (machine: string): Promise<void> => {
    const prefix = isPlain ? `${shortMachineId(machine)} | ` : '';
    for await (const lines of wholeLines(client.journal({ ...query, machine }, signal))) {
      environment.stdout.write(lines.replaceAll(/^(?=.)/gm, prefix));
    }
  };
  if (query.follow) await Promise.all(unit.machines.map(readMachine));
  else for (const machine of unit.machines) await readMachine(machine);
  return exitCodes.done;
}

/** The same text in pieces that end with a line. */
async function* wholeLines(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let pending = '';
  for await (const chunk of chunks) {
    pending += chunk;
    const end = pending.lastIndexOf('\n') + 1;
    if (end > 0) yield pending.slice(0, end);
    pending = pending.slice(end);
  }
  if (pending !== '') yield `${pending}\n`;
}
