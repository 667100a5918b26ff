import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import codec from '@httptoolkit/dbus-native/lib/message.js';
import type { FileHash } from '../../core/unit.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type { Observation } from '../runner.ts';
import { createFrameReader, frameTypes } from './bus-frames.ts';
import type { BusFrame } from './bus-frames.ts';
import { unitInterface, unitObjectPath } from './systemd-manager.ts';
import { factsOf } from './unit-facts.ts';
import {
  decodeSignals, hearAnswers, hearProperties, hearRow, isDown, lacksProperties, observationOf, unknownView, wantedProperties,
} from './unit-view.ts';
import type { UnitView } from './unit-view.ts';

const app = 'app.service' as UnitName;
const memory = {
  hash: 'a'.repeat(40) as FileHash, renderedHash: 'r', restart: 3, reset: 2, needsReload: false, installed: false, oneshot: false, dropIns: [],
};

/** A PropertiesChanged signal; numbers are sent as 't'. */
function changed(of: string, properties: Readonly<Record<string, string | number>>): BusFrame {
  const pairs = Object.entries(properties).map(([name, value]) => [name, [typeof value === 'string' ? 's' : 't', value]]);
  const bytes = codec.marshall({
    type: frameTypes.signal, serial: 1, path: unitObjectPath(app), interface: 'org.freedesktop.DBus.Properties',
    member: 'PropertiesChanged', signature: 'sa{sv}as', body: [of, pairs, []],
  });
  const [frame] = createFrameReader().push(bytes);
  assert.ok(frame);
  return frame;
}

const running = { ActiveState: 'active', SubState: 'running', ActiveEnterTimestamp: 5_000_000 };
const service = 'org.freedesktop.systemd1.Service';
const row = { name: app, load: 'loaded', active: 'active', sub: 'running', jobType: '', jobPath: '/' };

function seen(view: UnitView, more: Partial<typeof memory> = {}): Observation {
  decodeSignals(view);
  return observationOf(app, { ...memory, ...more }, view);
}

test('signals alone tell all there is to know of a running unit', () => {
  const view = unknownView();
  hearProperties(view, changed(service, { MainPID: 77, NRestarts: 2, Result: 'success', ExecMainCode: 0, ExecMainStatus: 0 }));
  hearProperties(view, changed(unitInterface, running));
  assert.deepEqual(seen(view), {
    name: app, hash: memory.hash, renderedHash: 'r', restart: 3, reset: 2, load: 'loaded', active: 'active', sub: 'running', sinceMs: 5_000,
    result: 'success', exitStatus: null, succeeded: false, restarts: 2, mainPid: 77, needsReload: false,
  });
  assert.equal(lacksProperties(app, view), false);
});

test('of several signals the newest counts', () => {
  const view = unknownView();
  hearProperties(view, changed(unitInterface, running));
  hearProperties(view, changed(service, { MainPID: 0, NRestarts: 0, Result: 'exit-code', ExecMainCode: 1, ExecMainStatus: 3 }));
  hearProperties(view, changed(unitInterface, { ActiveState: 'failed', SubState: 'failed', InactiveEnterTimestamp: 9_000_000 }));
  const { active, sinceMs, result, exitStatus } = seen(view);
  assert.deepEqual([active, sinceMs, result, exitStatus], ['failed', 9_000, 'exit-code', 3]);
});

test('a process that a signal ended has no exit status', () => {
  const view = unknownView();
  hearProperties(view, changed(service, { Result: 'signal', ExecMainCode: 2, ExecMainStatus: 9 }));
  hearProperties(view, changed(unitInterface, { ActiveState: 'failed', SubState: 'failed' }));
  assert.equal(seen(view).exitStatus, null);
});

test('an answer that was overtaken by a signal does not undo it', () => {
  const view = unknownView();
  hearProperties(view, changed(service, { MainPID: 0, Result: 'exit-code', ExecMainCode: 1, ExecMainStatus: 3, NRestarts: 0 }));
  hearProperties(view, changed(unitInterface, { ActiveState: 'failed', SubState: 'failed', InactiveEnterTimestamp: 9_000_000 }));
  hearRow(view, row);
  const asked = wantedProperties(app, 'active');
  hearAnswers(view, asked, asked.map(({ property }) => (property === 'MainPID' ? 77 : 0)));
  const { active, mainPid } = seen(view);
  assert.deepEqual([active, mainPid], ['failed', 0]);
});

test('a process is never seen in the state of another: the two signals of a change are taken together', () => {
  const view = unknownView();
  assert.equal(hearProperties(view, changed(service, { MainPID: 77, Result: 'success' })), false);
  assert.equal(hearProperties(view, changed(unitInterface, running)), true);
  const before = seen(view);
  assert.equal(hearProperties(view, changed(service, { MainPID: 0, Result: 'exit-code', ExecMainCode: 1, ExecMainStatus: 3 })), false);
  assert.deepEqual(seen(view), before);
  assert.equal(hearProperties(view, changed(unitInterface, { ActiveState: 'activating', SubState: 'auto-restart' })), true);
  const { active, sub, mainPid, exitStatus } = seen(view);
  assert.deepEqual([active, sub, mainPid, exitStatus], ['activating', 'auto-restart', 0, 3]);
});

test('a row that says something new makes what was known of the old state void', () => {
  const view = unknownView();
  hearRow(view, { ...row, active: 'activating', sub: 'start' });
  hearAnswers(view, wantedProperties(app, 'activating'), [1, 2, 3, 'success', 0, 0]);
  assert.equal(lacksProperties(app, view), false);
  hearRow(view, row);
  assert.equal(lacksProperties(app, view), true);
});

test('a unit whose start is queued is activating, not down', () => {
  const view = unknownView();
  hearRow(view, { ...row, active: 'inactive', sub: 'dead', jobType: 'start', jobPath: '/job/1' });
  assert.deepEqual([seen(view).active, isDown(view)], ['activating', false]);
  view.jobs.delete('/job/1');
  assert.deepEqual([seen(view).active, isDown(view)], ['inactive', true]);
});

test('a oneshot has succeeded when its record says so and no further run has begun', () => {
  const view = unknownView();
  hearRow(view, { ...row, active: 'inactive', sub: 'dead' });
  view.record = { succeeded: true, endedAtMs: 42 };
  const { succeeded, sinceMs, exitStatus } = seen(view, { oneshot: true });
  assert.deepEqual([succeeded, sinceMs, exitStatus], [true, 42, 0]);
  hearRow(view, { ...row, active: 'inactive', sub: 'dead', jobType: 'start', jobPath: '/job/1' });
  assert.equal(seen(view, { oneshot: true }).succeeded, false);
});

test('only services are asked for a process, targets for nothing of their own', () => {
  const asked = (name: string): readonly string[] => wantedProperties(name as UnitName, 'active').map(({ property }) => property);
  assert.deepEqual(asked('a.target'), ['ActiveEnterTimestamp']);
  assert.deepEqual(asked('a.socket'), ['ActiveEnterTimestamp', 'Result']);
  assert.ok(asked('a.service').includes('MainPID'));
});

test('object paths are escaped as systemd does it', () => {
  for (const [name, path] of [
    ['a.service', 'a_2eservice'], ['9a@1.service', '_39a_401_2eservice'], ['a-b\\x2dc.mount', 'a_2db_5cx2dc_2emount'],
  ] as const) assert.equal(unitObjectPath(name as UnitName), `/org/freedesktop/systemd1/unit/${path}`);
});

test('what is a oneshot, what installs, which aliases: as systemd reads the file and its drop-ins', () => {
  const facts = (text: string, dropIns: Record<string, string> = {}, name = 'a.service'): unknown => {
    const { oneshot, installs, aliases } = factsOf({ name: name as UnitName, text, hash: memory.hash, dropIns, renderedHash: '' });
    return [oneshot, installs, aliases.join(',')];
  };
  assert.deepEqual(facts('[Service]\nType=oneshot\nExecStart=/bin/true\n'), [true, false, '']);
  assert.deepEqual(facts('[Service]\nExecStop=/bin/true\n'), [true, false, '']);
  assert.deepEqual(facts('[Service]\nExecStart=/bin/true\n'), [false, false, '']);
  assert.deepEqual(facts('[Service]\nType=oneshot\nExecStart=/bin/true\n', { 'b.conf': '[Service]\nType=simple\n' }), [false, false, '']);
  assert.deepEqual(facts('[Socket]\nListenStream=1\n', {}, 'a.socket'), [false, false, '']);
  assert.deepEqual(facts('[Service]\nExecStart=/x\n[Install]\nWantedBy=multi-user.target\n'), [false, true, '']);
  assert.deepEqual(facts('[Service]\nExecStart=/x\n[Install]\nAlias=b.service c.service\n'), [false, true, 'b.service,c.service']);
  assert.deepEqual(facts('[Service]\nExecStart=/x\n[Install]\nWantedBy=a.target\nWantedBy=\n'), [false, false, '']);
});
