/**
 * `fleetctl import`: takes over the units, states and metadata of a cluster of fleet 1.0, as they run.
 * Promises: nothing is changed in the original; nothing is stored here before all of it was found good; doing it again
 * changes nothing; a unit that exists here with other content is left alone and named.
 */
import { createCaller } from '../../client/call.ts';
import { parseEndpoint } from '../../client/endpoint.ts';
import { failure, success } from '../../core/failure.ts';
import type { Result } from '../../core/failure.ts';
import { shortMachineId } from '../../core/machine.ts';
import { createLog } from '../../lib/log.ts';
import type { AppliedUnit, ApplyRequest, MachineView } from '../../protocol/v2.ts';
import type { MetadataOperation } from '../../protocol/v1.ts';
import { readTls } from '../connect.ts';
import { readFromApi } from '../import/from-api.ts';
import { readFromEtcd2 } from '../import/from-etcd2.ts';
import { takeOver } from '../import/original.ts';
import type { OriginalCluster, OriginalMetadata, Takeover } from '../import/original.ts';
import { complain, exitCodes, print } from '../session.ts';
import type { Session } from '../session.ts';
import { inRequests } from '../submission.ts';

export async function run(session: Session): Promise<number> {
  const { flags, words } = session;
  if (words.length > 0) return slip(session, `import takes no arguments ("${words[0] ?? ''}")`);
  if (flags.isOn('finish')) return finish(session);
  const original = await readOriginal(session);
  if (!original.ok) return slip(session, original.failure.message);
  const { units, metadata, problems } = original.value;
  for (const problem of problems) complain(session, `Not imported: ${problem}`);
  const takeovers = units.map(takeOver);
  for (const { note } of takeovers) if (note !== '') complain(session, note);
  // All of it is checked before any of it is stored.
  await apply(session, takeovers, true);
  const isDryRun = flags.isOn('dry-run');
  if (!isDryRun) await importMetadata(session, metadata);
  const applied = await apply(session, takeovers, isDryRun);
  const different = tell(session, takeovers, applied);
  return problems.length + different > 0 ? exitCodes.failed : exitCodes.done;
}

function slip(session: Session, message: string): number {
  complain(session, message);
  return exitCodes.usage;
}

async function readOriginal(session: Session): Promise<Result<OriginalCluster>> {
  const { environment, flags } = session;
  const [etcd, api] = [flags.text('from-etcd2'), flags.text('from-api')];
  if ((etcd === '') === (api === ''))
    return failure('USAGE_INVALID', 'name one place to import from: --from-etcd2=URL or --from-api=URL');
  const endpoint = parseEndpoint(etcd === '' ? api : etcd);
  if (!endpoint.ok) return failure('USAGE_INVALID', `--from-${etcd === '' ? 'api' : 'etcd2'}: ${endpoint.why}`);
  const tls = await readTls(environment, flags);
  if (!tls.ok) return tls;
  const log = createLog('import', flags.isOn('debug') ? 'debug' : 'warning', (line) =>
    environment.stderr.write(`${line}\n`),
  );
  const timeoutMs = flags.number('request-timeout') * 1_000;
  const caller = createCaller({ endpoints: [endpoint.endpoint], timeoutMs, tls: tls.value, clock: environment.clock, log });
  const signal = environment.interrupted;
  return success(
    etcd === ''
      ? await readFromApi(caller, signal)
      : await readFromEtcd2(caller, flags.text('from-key-prefix'), signal),
  );
}

/** Sends all units, those of one state together. */
async function apply(
  session: Session,
  takeovers: readonly Takeover[],
  dryRun: boolean,
): Promise<readonly AppliedUnit[]> {
  const applied: AppliedUnit[] = [];
  for (const [desired, all] of Map.groupBy(takeovers, (takeover) => takeover.desired)) {
    const units = all.map(({ name, text, adoptOn }) => ({ name, text, ...(adoptOn === '' ? {} : { adoptOn }) }));
    for (const part of inRequests(units)) {
      const request: ApplyRequest = { units: part, desired, lenient: true, dryRun, by: 'import' };
      applied.push(...(await session.client.apply(request, session.environment.interrupted)).units);
    }
  }
  return applied;
}

/** Says what became of each unit; answers how many exist here with other content. */
function tell(session: Session, takeovers: readonly Takeover[], applied: readonly AppliedUnit[]): number {
  const adoptOn = new Map(takeovers.map((takeover) => [takeover.name, takeover.adoptOn]));
  let different = 0;
  for (const unit of applied) {
    if (unit.content === 'differs') {
      different += 1;
      complain(session, `Unit ${unit.name} exists here with other content and is left as it is`);
      continue;
    }
    for (const warning of unit.warnings) complain(session, `${unit.name}: warning: ${warning}`);
    const machine = adoptOn.get(unit.name) ?? '';
    const where = unit.global ? ', global' : machine === '' ? '' : ` on ${shortMachineId(machine)}`;
    print(session, `Unit ${unit.name} imported as ${unit.desired}${where}`);
  }
  return different;
}

/** Operations of one request: it may change 60 machines at most. */
const operationsPerRequest = 50;

async function importMetadata(session: Session, metadata: readonly OriginalMetadata[]): Promise<void> {
  const signal = session.environment.interrupted;
  const { machines } = await session.client.machines(signal);
  const operations = metadata.filter((each) => !isSoAlready(each, machines)).map(operationOf);
  for (let at = 0; at < operations.length; at += operationsPerRequest)
    await session.client.patchMetadata(operations.slice(at, at + operationsPerRequest), signal);
  for (const { path, op, value } of operations)
    print(session, `Metadata ${path.slice(1)} ${op === 'remove' ? 'removed' : `set to ${value?.value ?? ''}`}`);
}

function isSoAlready({ machine, key, value }: OriginalMetadata, machines: readonly MachineView[]): boolean {
  const known = machines.find(({ id }) => id === machine);
  return known !== undefined && (known.metadata[key] ?? '') === value;
}

function operationOf({ machine, key, value }: OriginalMetadata): MetadataOperation {
  const path = `/${machine}/metadata/${key}`;
  return value === '' ? { op: 'remove', path } : { op: 'add', path, value: { value } };
}

/** Ends the wait of units for machines that have not come. */
async function finish(session: Session): Promise<number> {
  const signal = session.environment.interrupted;
  const { units } = await session.client.units(signal);
  const marked = units.filter((unit) => unit.adoptOn !== undefined);
  for (const part of inRequests(marked.map(({ name }) => ({ name, adoptOn: '' }))))
    await session.client.apply({ units: part, by: 'import' }, signal);
  for (const { name, machines, adoptOn = '' } of marked) {
    if (machines.length === 0) print(session, `Unit ${name} waits no longer for ${shortMachineId(adoptOn)}`);
  }
  return exitCodes.done;
}
