/** `fleetctl services`: who listens where, now; of one service when it is named. */
import type { ServiceView } from '../../protocol/v2.ts';
import { printColumns, serviceColumns } from '../columns.ts';
import { printTable } from '../print-table.ts';
import { complain, exitCodes } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const { client, environment, words } = session;
  const [name, ...more] = words;
  if (more.length > 0) {
    complain(session, 'One service can be named');
    return exitCodes.usage;
  }
  const list = name === undefined
    ? await client.services(environment.interrupted)
    : await client.service(name, environment.interrupted);
  if (list === null) {
    complain(session, `Service ${name ?? ''} does not exist.`);
    return exitCodes.failed;
  }
  const rows = list.services.flatMap((service: ServiceView) => service.instances.map((instance) => ({ service, instance })));
  return printTable(session, {
    json: list.services,
    table: (options) => printColumns(serviceColumns, rows, options),
  });
}
