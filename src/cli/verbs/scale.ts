/** `fleetctl scale`: how many instances of a template there are. */
import { failure, success } from '../../core/failure.ts';
import type { Result } from '../../core/failure.ts';
import type { ScaleRequest } from '../../protocol/v2.ts';
import { goalOf } from '../goal.ts';
import { readUnitArguments } from '../names.ts';
import { waitAndReport } from '../report.ts';
import { exitCodes, print, refuse, whoAsks } from '../session.ts';
import type { Session } from '../session.ts';
import { readUnitSource } from '../unit-source.ts';

export async function run(session: Session): Promise<number> {
  const request = await readRequest(session);
  if (!request.ok) return refuse(session, request.failure);
  const { started, destroyed, revision } = await session.client.scale(request.value, session.environment.interrupted);
  for (const name of destroyed) print(session, `Destroyed ${name}`);
  if (session.flags.isOn('no-block')) {
    for (const { name } of started) print(session, `Triggered unit ${name} start`);
    return exitCodes.done;
  }
  return (await waitAndReport(session, started.filter((unit) => !unit.global).map(goalOf), revision)).exitCode;
}

async function readRequest(session: Session): Promise<Result<ScaleRequest>> {
  const { words, environment } = session;
  const [word = '', count = '', ...others] = words;
  if (word === '' || count === '' || others.length > 0) {
    return failure('USAGE_INVALID', 'A template and a number must be given, as in "fleetctl scale apps@ 5"');
  }
  if (!/^\d{1,5}$/.test(count)) return failure('USAGE_INVALID', `"${count}" is not a number of instances; write one such as 5`);
  const read = readUnitArguments([word]);
  if (!read.ok) return read;
  const [template] = read.value;
  if (template?.kind !== 'unit' || read.value.length > 1) return failure('USAGE_INVALID', `"${word}" is not one template; name one such as apps@`);
  const source = await readUnitSource(environment, `${template.folder}${template.name}`, template.name);
  if (source.kind === 'wrong') return failure('UNIT_FILE_INVALID', source.errors.join('\n'));
  return success({
    name: template.name,
    count: Number(count),
    ...(source.kind === 'good' ? { templateText: source.text } : {}),
    by: whoAsks(session),
  });
}
