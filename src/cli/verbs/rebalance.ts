/**
 * `fleetctl rebalance`: shows which moves would even out the machines; with --yes the cluster makes them.
 * Promises: without --yes and --stop nothing is changed; what is begun goes on without this terminal, and is shown by the plain verb.
 */
import type { RebalanceMoveView, RebalanceSide, RebalanceView } from '../../protocol/machines.ts';
import { machineLabel } from '../columns.ts';
import { complain, exitCodes, print, printJson, whoAsks } from '../session.ts';
import type { Session } from '../session.ts';
import { formatTable } from '../table.ts';

export async function run(session: Session): Promise<number> {
  const { client, environment, flags, words } = session;
  if (words.length > 0 || (flags.isOn('yes') && flags.isOn('stop'))) {
    complain(session, words.length > 0 ? 'rebalance takes no arguments: it is about all machines' : '--yes and --stop exclude one another');
    return exitCodes.usage;
  }
  const by = whoAsks(session);
  if (flags.isOn('stop')) {
    await client.orderRebalance({ action: 'stop', by }, environment.interrupted);
    print(session, 'The rebalance has ended; what was moved stays where it is');
    return exitCodes.done;
  }
  const view = await client.rebalance(flags.isOn('fenced'), environment.interrupted);
  const isBegun = flags.isOn('yes') && view.moves.length > 0;
  if (isBegun) await client.orderRebalance({ action: 'start', fenced: flags.isOn('fenced'), by }, environment.interrupted);
  if (flags.text('output') === 'json') printJson(session, view);
  else tell(session, view, isBegun);
  return exitCodes.done;
}

function tell(session: Session, { running, moves }: RebalanceView, isBegun: boolean): void {
  if (running !== null) {
    const by = running.by === '' ? '' : `, by ${running.by}`;
    print(session, `A rebalance goes on since ${new Date(running.sinceMs).toISOString()}${by}`);
  }
  if (moves.length === 0) {
    return print(session, running === null ? 'No move would make the machines more even' : 'Nothing is left to move; the last units come up');
  }
  session.environment.stdout.write(formatTable([['UNIT', 'FROM', 'TO', 'WHY'], ...moves.flatMap(rowsOf)]));
  const count = moves.reduce((sum, { units }) => sum + units.length, 0);
  const many = count === 1 ? '1 unit' : `${count} units`;
  if (isBegun) print(session, `${many} to move, a few at a time; "fleetctl rebalance" shows what is left, --stop ends it`);
  else if (running === null) complain(session, `NOTE: nothing was changed; "fleetctl rebalance --yes" moves ${many}`);
}

function rowsOf({ units, from, to }: RebalanceMoveView): readonly (readonly string[])[] {
  const label = ({ machine, address }: RebalanceSide): string => machineLabel({ id: machine, address });
  const load = ({ before, after }: RebalanceSide): string => `${before} to ${after}`;
  return units.map((unit) => [unit, label(from), label(to), `load there from ${load(from)}, here from ${load(to)}`]);
}
