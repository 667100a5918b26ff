/** What fleetctl verify says about ports. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printFinding } from './finding.ts';
import { parseUnitFile } from './unit-file.ts';
import type { UnitName } from './unit-name.ts';
import { verifyUnitFile } from './verify.ts';

const cases: readonly { readonly says: string; readonly name?: string; readonly command?: string; readonly ports: string; readonly warnings: readonly string[] }[] = [
  { says: 'a range out of the way and a variable of its port', ports: 'Port=http:20001-20010', warnings: [] },
  { says: 'privileged ports', ports: 'Port=http:80', warnings: [
    'line 4: Port=http: 80-80 has ports below 1024, which only privileged processes may listen on'] },
  { says: 'ports of outgoing connections', ports: 'Port=http:40000-40010', warnings: [
    'line 4: Port=http: 40000-40010 lies in ip_local_port_range 32768-60999: the kernel may give its ports to outgoing connections'] },
  { says: 'a variable of another port', command: '/bin/app ${FLEET_PORT_WEB}', ports: 'Port=http:20001', warnings: [
    'line 2: the unit has no port for ${FLEET_PORT_WEB}; it has FLEET_PORT_HTTP, FLEET_PORT'] },
  { says: 'FLEET_PORT with two ports', command: '/bin/app ${FLEET_PORT}', ports: 'Port=http:20001 admin:20002', warnings: [
    'line 2: the unit has no port for ${FLEET_PORT}; it has FLEET_PORT_HTTP, FLEET_PORT_ADMIN'] },
  { says: 'a variable without any port', command: '/bin/app ${FLEET_PORT}', ports: '', warnings: [
    'line 2: the unit has no port for ${FLEET_PORT}; add Port= to [X-Fleet]'] },
  { says: 'a template that leaves its port open', name: 'app@.service', command: '/bin/app ${FLEET_PORT}', ports: 'Port=http:1000%i', warnings: [] },
];
for (const { says, name = 'app@1.service', command = '/bin/app ${FLEET_PORT_HTTP}', ports, warnings } of cases) {
  test(`${says}: ${warnings.length === 0 ? 'nothing to warn of' : 'a warning'}`, () => {
    const file = parseUnitFile(`[Service]\nExecStart=${command}\n[X-Fleet]\n${ports}\n`);
    assert.ok(file.ok);
    assert.deepEqual(verifyUnitFile(name as UnitName, file.value).warnings.map(printFinding), warnings);
  });
}
