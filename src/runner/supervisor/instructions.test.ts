import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { UnitName } from '../../core/unit-name.ts';
import { renderContractUnit } from '../runner.contract.ts';
import type { RenderedUnit } from '../runner.ts';
import { serviceDirectives, unitDirectives } from './directives.ts';
import { compileUnit } from './instructions.ts';
import type { CompileFacts, Instructions } from './instructions.ts';
import { readBoolean, readLimit, readSignal, readTimeLimit, readTimeSpan, timeInfinity } from './values.ts';

const facts: CompileFacts = {
  machine: { hostname: 'host', id: 'machine', bootId: 'boot' }, more: { t: '/run', h: '/root' },
  bases: { RuntimeDirectory: '/run', StateDirectory: '/var/lib' },
};

const unitOf = (text: string, name = 'app@7.service'): RenderedUnit => renderContractUnit(name, text);

function compiled(text: string): Instructions {
  const result = compileUnit(unitOf(text), facts);
  assert.ok(result.ok, result.ok ? '' : result.failure.message);
  return result.value;
}

const refusal = (text: string, name?: string): string => {
  const result = compileUnit(unitOf(text, name), facts);
  return result.ok ? 'not refused' : result.failure.message;
};

/** The lines of the instructions with this key. */
const linesOf = (text: string, key: string): readonly string[] =>
  compiled(text).text.split('\n').filter((line) => line.startsWith(`${key}\t`)).map((line) => line.slice(key.length + 1));

test('a unit becomes instructions, one setting a line, with systemd\'s defaults', () => {
  const { text, description, notHonoured } = compiled('[Unit]\nDescription=App %i\n[Service]\nExecStart=/bin/app --port 1000%i\n');
  assert.equal(description, 'App 7');
  assert.deepEqual(notHonoured, []);
  const lines = text.split('\n');
  assert.deepEqual([lines[0], lines.at(-2), lines.at(-1)], ['fleet-keeper-instructions 1', 'end', '']);
  for (const line of [
    'name\tapp@7.service', 'type\tsimple', 'restart\tno', 'restart-us\t100000', 'timeout-start-us\t90000000', 'timeout-stop-us\t90000000',
    'kill-mode\tcontrol-group', 'kill-signal\t15', 'limit-burst\t5', 'limit-interval-us\t10000000', 'notify-access\tnone', 'umask\t18',
    'exec\tstart\t\t/bin/app\t/bin/app\t--port\t10007',
  ]) assert.ok(lines.includes(line), line);
});

test('what the unit says replaces the defaults, a later assignment an earlier one, an empty one takes back', () => {
  const service = '[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\nRestartSec=1\nRestartSec=2min\nEnvironment=A=1\nEnvironment=\nEnvironment=B=2 "C=3 4"\n';
  assert.deepEqual(linesOf(service, 'exec'), ['start\t\t/bin/b\t/bin/b']);
  assert.deepEqual(linesOf(service, 'restart-us'), ['120000000']);
  assert.deepEqual(linesOf(service, 'environment'), ['B=2\tC=3 4']);
});

test('drop-ins are read after the file, in the order of their names', () => {
  const unit = { ...unitOf('[Service]\nExecStart=/bin/a\n'), dropIns: { '20.conf': '[Service]\nUser=two\n', '10.conf': '[Service]\nUser=one\nMemoryMax=1\n' } };
  const result = compileUnit(unit, facts);
  assert.ok(result.ok);
  assert.match(result.value.text, /^user\ttwo$/m);
  assert.deepEqual(result.value.notHonoured, [{ section: 'Service', name: 'MemoryMax', line: 0, why: '' }]);
});

test('tabs, line ends and backslashes of a unit stay inside their field', () => {
  assert.deepEqual(linesOf('[Service]\nExecStart=/bin/a "x\\ty" "\\n" \\\\ z\n', 'exec'), ['start\t\t/bin/a\t/bin/a\tx\\ty\t\\n\t\\\\\tz']);
});

test('a notify service is heard, and so is one with a watchdog', () => {
  assert.deepEqual(linesOf('[Service]\nType=notify\nExecStart=/bin/a\n', 'notify-access'), ['main']);
  assert.deepEqual(linesOf('[Service]\nWatchdogSec=5\nExecStart=/bin/a\n', 'notify-access'), ['main']);
  assert.deepEqual(linesOf('[Service]\nType=notify\nNotifyAccess=all\nExecStart=/bin/a\n', 'notify-access'), ['all']);
});

test('directories are made and named in the environment', () => {
  const service = '[Service]\nExecStart=/bin/a\nRuntimeDirectory=app-%i other\nRuntimeDirectoryMode=0700\nStateDirectory=app\n';
  assert.deepEqual(linesOf(service, 'directories'), ['0700 /run/app-7\t0700 /run/other\t0755 /var/lib/app']);
  assert.deepEqual(linesOf(service, 'environment'), ['RUNTIME_DIRECTORY=/run/app-7:/run/other\tSTATE_DIRECTORY=/var/lib/app']);
});

describe('commands', () => {
  const table: readonly (readonly [line: string, commands: readonly string[]])[] = [
    ['-/bin/a b', ['-\t/bin/a\t/bin/a\tb']],
    ['@/bin/a zero one', ['\t/bin/a\tzero\tone']],
    ['-@:+/bin/a zero', ['-:+\t/bin/a\tzero']],
    ['!!/bin/a', ['\t/bin/a\t/bin/a']],
    ['!/bin/a', ['!\t/bin/a\t/bin/a']],
    ['name --flag', ['\tname\tname\t--flag']],
    ['"/bin/with blank" x', ['\t/bin/with blank\t/bin/with blank\tx']],
    ['/bin/a ; -/bin/b ";" \\; c', ['\t/bin/a\t/bin/a', '-\t/bin/b\t/bin/b\t;\t;\tc']],
    ['/bin/a "x ; y" z;', ['\t/bin/a\t/bin/a\tx ; y\tz;']],
    ['/bin/a ;', ['\t/bin/a\t/bin/a']],
    ['/bin/%p-%i $HOME ${X}', ['\t/bin/app-7\t/bin/app-7\t$HOME\t${X}']],
  ];
  for (const [line, commands] of table) {
    test(line, () => assert.deepEqual(linesOf(`[Service]\nType=oneshot\nExecStart=${line}\n`, 'exec'), commands.map((each) => `start\t${each}`)));
  }
});

describe('what cannot be run is refused in one line that names it', () => {
  const table: readonly (readonly [service: string, why: RegExp])[] = [
    ['ExecStart="/bin/a', /line 2: ExecStart=: .*not closed/],
    ['ExecStart=bin/a', /line 2: ExecStart=: "bin\/a": a program is an absolute path/],
    ['ExecStart=/bin/', /that is a directory/],
    ['ExecStart=-', /a command without a program/],
    ['ExecStart=--/bin/a', /the prefix "-" stands there twice/],
    ['ExecStart=+!/bin/a', /exclude each other/],
    ['ExecStart=@/bin/a', /followed by the name/],
    ['Type=simple', /no ExecStart=/],
    ['RemainAfterExit=no', /neither ExecStart= nor ExecStop=/],
    ['ExecStart=/bin/a\nExecStart=/bin/b', /more than one ExecStart=/],
    ['Type=oneshot\nRestart=always\nExecStart=/bin/a', /Restart=always is not allowed for Type=oneshot/],
    ['Type=dbus\nExecStart=/bin/a', /line 2: Type=: Type=dbus needs systemd/],
    ['DynamicUser=yes\nExecStart=/bin/a', /DynamicUser=yes needs systemd/],
    ['RootDirectory=/srv\nExecStart=/bin/a', /RootDirectory= needs systemd/],
  ];
  for (const [service, why] of table) {
    test(service.replaceAll('\n', ' / '), () => {
      const message = refusal(`[Service]\n${service}\n`);
      assert.match(message, why);
      assert.match(message, /^app@7\.service: [^\n]+$/);
    });
  }

  test('other types, templates and broken files', () => {
    assert.match(refusal('[Timer]\nOnCalendar=daily\n', 'app.timer'), /takes services only, no timer/);
    assert.match(refusal('[Service]\nExecStart=/bin/a\n', 'app@.service'), /is a template/);
    assert.match(refusal('ExecStart=/bin/a\n'), /line 1/);
  });
});

test('a value that systemd would ignore is ignored, and said', () => {
  const { notHonoured } = compiled('[Service]\nExecStart=/bin/a\nTimeoutStopSec=soon\nKillSignal=SIGNOTHING\nNice=99\nStandardOutput=tty\nFancy=1\n[Install]\nWantedBy=x\n[X-Fleet]\nGlobal=true\n');
  assert.deepEqual(notHonoured.map(({ name, line }) => [name, line]),
    [['TimeoutStopSec', 3], ['KillSignal', 4], ['Nice', 5], ['StandardOutput', 6], ['Fancy', 7]]);
  assert.deepEqual(linesOf('[Service]\nExecStart=/bin/a\nTimeoutStopSec=soon\n', 'timeout-stop-us'), ['90000000']);
});

describe('values', () => {
  const spans: readonly (readonly [text: string, microseconds: string | null])[] = [
    ['5', '5000000'], ['1.5s', '1500000'], ['5min 20s', '320000000'], ['100ms', '100000'], ['1h30m', '5400000000'], ['2 d', '172800000000'],
    ['7us', '7'], ['1M', '2629800000000'], ['infinity', timeInfinity], ['', null], ['soon', null], ['5 parsecs', null], ['-1', null],
    ['999999999999999999999y', timeInfinity],
  ];
  for (const [text, microseconds] of spans) test(`time span "${text}"`, () => assert.equal(readTimeSpan(text), microseconds));

  test('0 is no limit for limits', () => assert.equal(readTimeLimit('0'), timeInfinity));
  test('booleans', () => assert.deepEqual(['on', 'True', '1', 'off', 'n', 'maybe', ''].map(readBoolean), ['yes', 'yes', 'yes', 'no', 'no', null, null]));
  test('signals', () => assert.deepEqual(['TERM', 'SIGKILL', '10', 'SIGRTMIN+3', '0', '65', 'NOPE'].map(readSignal), ['15', '9', '10', '37', null, null, null]));
  test('limits', () => {
    assert.deepEqual([readLimit('NOFILE', '1:infinity'), readLimit('DATA', '2K'), readLimit('NICE', '-5'), readLimit('CPU', '1min'), readLimit('NOFILE', 'x')],
      [['1', 'infinity'], ['2048', '2048'], ['25', '25'], ['60', '60'], null]);
  });
});

test('no text makes the compiler throw, or print a line that is not one of its own', () => {
  const keys = [...Object.keys(unitDirectives), ...Object.keys(serviceDirectives), 'DynamicUser', 'Nonsense'];
  const value = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.constantFrom('', '%', '%i', '"', '\\', '$', ';', '-@+!:', '\tend', '1:2:3', 'infinity'));
  const option = fc.tuple(fc.constantFrom(...keys), value).map(([key, text]) => `${key}=${text}`);
  fc.assert(fc.property(fc.array(option, { maxLength: 12 }), (options) => {
    const result = compileUnit(unitOf(`[Service]\nExecStart=/bin/true\n${options.join('\n')}\n`, 'a@b.service' as UnitName), facts);
    if (!result.ok) return !result.failure.message.includes('\n');
    const lines = result.value.text.split('\n');
    return lines.length > 3 && lines.slice(1, -2).every((line) => /^[a-z-]+\t/.test(line)) && lines.at(-2) === 'end' && !result.value.text.includes('\0');
  }));
});
