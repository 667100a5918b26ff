import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printFinding } from './finding.ts';
import { limits } from './limits.ts';
import { parseUnitFile } from './unit-file.ts';
import { keysOfSection, systemdSections } from './unit-keys.ts';
import { parseUnitName } from './unit-name.ts';
import { verifyUnitFile } from './verify.ts';

/** Errors as lines with "E", warnings with "W". */
function verify(name: string, text: string): readonly string[] {
  const [parts, file] = [parseUnitName(name), parseUnitFile(text)];
  assert.ok(parts.ok && file.ok, text);
  const { errors, warnings } = verifyUnitFile(parts.value.name, file.value);
  return [...errors.map((finding) => `E ${printFinding(finding)}`), ...warnings.map((finding) => `W ${printFinding(finding)}`)];
}

const service = '[Service]\nExecStart=/bin/true\n';

test('misspelt keys are named with the one that was meant', () => {
  assert.deepEqual(verify('wys-wpa@.service', `[Unit]
Descrption=Wordpress All Service
After=docker.service
[Service]
EnvironementFile=/lib/systemd/system/wys-wpa-env
TimeoutStartSec=0
ExecStartPre=-/usr/bin/docker kill wpa%i
ExecStart=/usr/bin/docker run -p 1000%i:80 -name wpa%i tutum/wordpress
ExecStop=/usr/bin/docker stop wpa%i
ExecStop=/usr/bin/docker kill wpa%i
[X-Fleet]
Gloable=true
Matadata=AppServerMachineCluster
`), [
    'E line 12: [X-Fleet] has no option "Gloable"; did you mean "Global"?',
    'E line 13: [X-Fleet] has no option "Matadata"; did you mean "MachineMetadata"?',
    'W line 2: [Unit] has no option "Descrption"; did you mean "Description"?',
    'W line 5: [Service] has no option "EnvironementFile"; did you mean "EnvironmentFile"?',
  ]);
});

test('keys in the wrong section are sent to the right one', () => {
  const table: readonly (readonly [string, string])[] = [
    ['MachineID=abc', '[Service] has no option "MachineID"; it belongs in [X-Fleet]'],
    ['Wants=x', '[Service] has no option "Wants"; it belongs in [Unit]'],
    ['Conflicts=x', '[Service] has no option "Conflicts"; it belongs in [Unit] or [X-Fleet]'],
    ['WantedBy=x', '[Service] has no option "WantedBy"; it belongs in [Install]'],
    ['Requirs=x', '[Service] has no option "Requirs"; did you mean "Requires" in [Unit]?'],
    ['MachineMetdata=x', '[Service] has no option "MachineMetdata"; did you mean "MachineMetadata" in [X-Fleet]?'],
    ['restart=no', '[Service] has no option "restart"; did you mean "Restart"?'],
    ['Qqqqqq=x', '[Service] has no option "Qqqqqq"; systemd ignores it (options of your own start with "X-")'],
  ];
  for (const [line, message] of table) assert.deepEqual(verify('a.service', `${service}${line}\n`), [`W line 3: ${message}`]);
});

test('sections that do nothing are named, sections and keys of one\'s own are left alone', () => {
  const text = `${service}X-Mine=1
[X-Other]
Anything=1
[Servce]
a=b
c=d
[X-fleet]
Global=1
[Fleet]
Global=1
[Socket]
ListenStream=1
[Unknown stuff]
a=b
`;
  assert.deepEqual(verify('a.service', text), [
    'W line 7: there is no section [Servce]; did you mean [Service]?',
    'W line 10: there is no section [X-fleet]; did you mean [X-Fleet]?',
    'W line 12: there is no section [Fleet]; did you mean [X-Fleet]?',
    'W line 14: [Socket] does nothing in this type of unit, which reads [Unit], [Service], [Install] and [X-Fleet]',
    'W line 16: there is no section [Unknown stuff]; systemd ignores it (sections of your own start with "X-")',
  ]);
});

test('a unit that systemd would refuse to load is an error', () => {
  const end = '; systemd would refuse to load the unit';
  const table: readonly (readonly [string, string, readonly string[]])[] = [
    ['a.service', '', ['E [Service] has no ExecStart=']],
    ['a.service', '[Service]\nExecStart=/bin/true\nExecStart=', ['E [Service] has no ExecStart=']],
    ['a.service', '[Service]\nExecStop=/bin/true', ['E [Service] has no ExecStart=, which needs RemainAfterExit=yes']],
    ['a.service', '[Service]\nExecStop=/bin/true\nRemainAfterExit=yes', []],
    ['a.service', '[Service]\nType=simple\nExecStop=/bin/true',
      ['E [Service] has no ExecStart=, which only Type=oneshot allows, not Type=simple']],
    ['a.service', '[Unit]\nSuccessAction=reboot\n[Service]\nType=oneshot', []],
    ['a.service', '[Service]\nExecStart=a\nExecStart=b', ['E line 3: [Service] has more than one ExecStart=, which only Type=oneshot allows']],
    ['a.service', '[Service]\nType=oneshot\nExecStart=a\nExecStart=b', []],
    ['a.service', '[Service]\nExecStart=a\nExecStart=\nExecStart=b', []],
    ['a.service', '[Service]\nType=oneshot\nExecStart=a\nRestart=always', ['E line 4: Restart=always cannot be used with Type=oneshot']],
    ['a.service', '[Service]\nType=dbus\nExecStart=a', ['E line 2: Type=dbus needs BusName=']],
    ['a.service', '[Service]\nBusName=x\nExecStart=a', []],
    ['a.socket', '[Socket]\nAccept=no', ['E [Socket] needs a Listen option such as ListenStream=']],
    ['a.socket', '[Socket]\nListenStream=1', []],
    ['a.timer', '[Timer]\nUnit=b.service', ['E [Timer] needs a time such as OnCalendar= or OnBootSec=']],
    ['a.path', '[Path]\nPathExists=/x', []],
    ['a.path', '[Path]\nUnit=b.service', ['E [Path] needs a path such as PathExists=']],
    ['a.mount', '[Mount]\nWhere=/a', ['E [Mount] needs What=']],
    ['a.swap', '[Swap]\nPriority=1', []],
    ['a.target', '', []],
  ];
  for (const [name, text, expected] of table) assert.deepEqual(verify(name, text), expected.map((each) => each + end), text);
});

test('a hostile file gives a bounded list at once', () => {
  const keys = Array.from({ length: 5_000 }, (_, index) => `Rxtaqt${index}=1`).join('\n');
  assert.equal(verify('a.service', `${service}${keys}`).length, limits.findingsMax);
});

test('the table of keys is that of a whole systemd', () => {
  assert.deepEqual(systemdSections, ['Unit', 'Service', 'Socket', 'Mount', 'Automount', 'Swap', 'Timer', 'Path', 'Slice', 'Scope', 'Install']);
  for (const [section, key] of [['Unit', 'Description'], ['Service', 'EnvironmentFile'], ['Install', 'WantedBy'], ['Timer', 'OnCalendar']] as const) {
    assert.ok(keysOfSection(section)?.has(key), `${section} ${key}`);
  }
});
