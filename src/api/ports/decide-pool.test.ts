/** What is said to a wish about a pool. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptySnapshot } from '../../core/cluster.ts';
import type { MachineId } from '../../core/machine.ts';
import type { PortOrigin } from '../../core/ports.ts';
import { unfenced, withoutPorts } from '../../core/unit.ts';
import type { FileHash } from '../../core/unit.ts';
import type { UnitName } from '../../core/unit-name.ts';
import { commitOf } from '../write/plan.ts';
import { decidePool } from './decide-pool.ts';

const machine = '336043c3dba3e566192154d0544f626d' as MachineId;
const pool = (low: number, high: number) => ({ low, high, changedAtMs: 1, changedBy: 'ann' });
const origin: PortOrigin = { low: 20_001, high: 20_010, pool: 'apps.war', scope: 'machine', sinceMs: 1, why: '' };
const given = (name: string, port: number) => [name as UnitName, {
  hash: '' as FileHash, desired: 'launched', restart: 0, reset: 0, ...withoutPorts, ports: { http: port }, portOrigins: { http: origin }, why: '', assignedAtMs: 0,
  finished: false, ...unfenced,
}] as const;
const snapshot = {
  ...emptySnapshot,
  portPools: new Map([['apps.war', pool(20_001, 20_010)], ['web', pool(8_080, 8_089)]]),
  machinePorts: new Map([[machine, { ephemeral: { low: 32_768, high: 60_999 }, listening: [], conflicts: [] }]]),
  assignments: new Map([[machine, new Map([given('apps@1.service', 20_002), given('apps@7.service', 20_007)])]]),
};

/** One line for what is decided: what is written, and the warnings; or the failure. */
function decided(name: string, range: string | null, force: boolean = false): string {
  const decision = decidePool({ snapshot, modRevision: () => 5 as never, nowMs: 9 }, { name, range, force, by: 'bob' });
  if (!decision.ok) return `${decision.failure.code}: ${decision.failure.message}`;
  const { plan, answer } = decision.value;
  const changes = plan.pool === undefined ? ['nothing'] : commitOf(plan).changes.map((change) => `${change.kind} ${change.key} ${change.kind === 'put' ? change.value : ''}`.trim());
  return [...changes, ...answer.warnings].join('; ');
}

const cases: readonly (readonly [string, string | null, boolean, string])[] = [
  ['new', '30001-30010', false, 'put port-pools/new {"low":30001,"high":30010,"changedAtMs":9,"changedBy":"bob"}'],
  ['apps.war', '20001-20010', false, 'nothing'],
  ['apps.war', '20001-20020', false, 'put port-pools/apps.war {"low":20001,"high":20020,"changedAtMs":9,"changedBy":"bob"}'],
  ['apps.war', '20001-20005', false, 'POOL_IN_USE: ports of pool "apps.war" outside of 20001-20005 are given out: 20007 to apps@7.service on 336043c3...; '
    + 'with --force it is done all the same, and no unit loses its port'],
  ['apps.war', '20001-20005', true, 'put port-pools/apps.war {"low":20001,"high":20005,"changedAtMs":9,"changedBy":"bob"}'],
  ['new', '8085-8095', false, 'POOL_OVERLAPS: 8085-8095 overlaps pool "web" (8080-8089); choose another range, or use --force'],
  ['new', '8085-8095', true, 'put port-pools/new {"low":8085,"high":8095,"changedAtMs":9,"changedBy":"bob"}; 8085-8095 overlaps pool "web" (8080-8089)'],
  ['new', '80-90', false, 'put port-pools/new {"low":80,"high":90,"changedAtMs":9,"changedBy":"bob"}; '
    + '80-90 has ports below 1024, which only privileged processes may listen on'],
  ['new', '40000-40010', false, 'put port-pools/new {"low":40000,"high":40010,"changedAtMs":9,"changedBy":"bob"}; 40000-40010 lies in '
    + 'ip_local_port_range 32768-60999: the kernel may give its ports to outgoing connections'],
  ['new', '10-1', false, 'PORTS_INVALID: "10-1" is not a port range; write the lower port first, as in 1-10'],
  ['web', null, false, 'delete port-pools/web'],
  ['nothere', null, false, 'POOL_NOT_FOUND: there is no pool "nothere"'],
  ['apps.war', null, false, 'POOL_IN_USE: pool "apps.war" has ports that are given out: 20002 to apps@1.service on 336043c3..., 20007 to apps@7.service on '
    + '336043c3...; with --force it is done all the same, and no unit loses its port'],
  ['apps.war', null, true, 'delete port-pools/apps.war'],
];
for (const [name, range, force, expected] of cases) {
  test(`${range === null ? `unset ${name}` : `set ${name} ${range}`}${force ? ' --force' : ''}: ${expected.slice(0, 60)}`, () => {
    assert.equal(decided(name, range, force), expected);
  });
}
