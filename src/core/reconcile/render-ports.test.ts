/** What a unit's manager gets to read of its ports. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Assignment, FileHash } from '../unit.ts';
import { unfenced, withoutPorts } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { renderUnit } from './render.ts';
import type { RenderedUnit } from './render.ts';

function rendered(name: string, ports: Record<string, number>, text: string): RenderedUnit {
  const assignment: Assignment = {
    hash: 'a'.repeat(40) as FileHash, desired: 'launched', restart: 0, reset: 0, ...withoutPorts, ports, why: '', assignedAtMs: 0, finished: false, ...unfenced,
  };
  return renderUnit(name as UnitName, assignment, text);
}

const service = '[Service]\nExecStart=/usr/bin/docker run -p ${FLEET_PORT_HTTP}:80 wordpress\n';

test('a unit learns its port from the environment, under its name and, when it has only one, under FLEET_PORT', () => {
  const { dropIns, text } = rendered('app@1.service', { http: 20_001 }, service);
  assert.deepEqual(dropIns, { '20-fleet-ports.conf': '[Service]\nEnvironment=FLEET_PORT_HTTP=20001\nEnvironment=FLEET_PORT=20001\n' });
  assert.equal(text, service, 'commands are systemd\'s to expand');
});

test('of several ports none is just FLEET_PORT', () => {
  const { dropIns } = rendered('app@1.service', { 'apps.war': 20_001, admin: 30_001 }, service);
  assert.deepEqual(dropIns, { '20-fleet-ports.conf': '[Service]\nEnvironment=FLEET_PORT_APPS_WAR=20001\nEnvironment=FLEET_PORT_ADMIN=30001\n' });
});

test('where systemd expands no variables the ports themselves stand', () => {
  const text = '# ${FLEET_PORT}\n[Socket]\nListenStream=127.0.0.1:${FLEET_PORT_HTTP}\nListenStream=[::1]:${FLEET_PORT}\nExecStartPre=/bin/echo ${FLEET_PORT}\n';
  const unit = rendered('app.socket', { http: 20_001 }, text);
  assert.equal(unit.text, '# ${FLEET_PORT}\n[Socket]\nListenStream=127.0.0.1:20001\nListenStream=[::1]:20001\nExecStartPre=/bin/echo ${FLEET_PORT}\n');
  assert.deepEqual(Object.keys(unit.dropIns), ['20-fleet-ports.conf']);
});

test('a continued command is left alone to its end, and what follows is not', () => {
  const text = '[Service]\nExecStart=/bin/app \\\n# a comment\n  --port ${FLEET_PORT}\nPIDFile=/run/app-${FLEET_PORT}.pid\nDescription=${FLEET_PORT_OTHER}\n';
  assert.equal(rendered('app.service', { http: 20_001 }, text).text,
    '[Service]\nExecStart=/bin/app \\\n# a comment\n  --port ${FLEET_PORT}\nPIDFile=/run/app-20001.pid\nDescription=${FLEET_PORT_OTHER}\n');
});

test('people see the hash of the file they submitted; another port is another rendering', () => {
  const [one, other] = [20_001, 20_002].map((http) => rendered('app.service', { http }, service));
  assert.equal(one?.hash, other?.hash);
  assert.notEqual(one?.renderedHash, other?.renderedHash);
});

test('a unit of a type without an environment, and one without ports, has no drop-in', () => {
  assert.deepEqual(rendered('app.timer', { http: 20_001 }, '[Timer]\n').dropIns, {});
  assert.deepEqual(rendered('app.service', {}, service).dropIns, {});
});
