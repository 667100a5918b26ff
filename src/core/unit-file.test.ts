import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from './limits.ts';
import {
  allValues, decodeUnitText, joinedValue, lastValue, parseUnitFile, printUnitFile, unitFileFromOptions, values,
} from './unit-file.ts';
import { hashUnitFile } from './unit-hash.ts';
import type { GivenOption, UnitFile } from './unit-file.ts';
import { verifyUnitFile } from './verify.ts';
import { parseUnitName, unitTypes } from './unit-name.ts';

function parse(text: string): UnitFile {
  const file = parseUnitFile(text);
  assert.ok(file.ok, file.ok ? '' : file.failure.message);
  return file.value;
}

/** Options without their lines, grouped as the canonical text groups them. */
function keysAndValues(file: UnitFile): readonly GivenOption[] {
  const options = file.options.map(({ section, name, value }) => ({ section, name, value }));
  return [...Map.groupBy(options, (option) => option.section).values()].flat();
}

const formatted = String.raw`
; comments and blank lines go
[Service]
ExecStart = /bin/sh -c "echo a; \
  sleep 1000"

# a section may come back
[Unit]
Description=My desc
[Service]
Environment=A=1
Environment=
`;

test('sections, repeated keys, empty assignments, comments and continued lines are read', () => {
  assert.deepEqual(parse(formatted).options, [
    { section: 'Service', name: 'ExecStart', value: '/bin/sh -c "echo a; \\\n  sleep 1000"', line: 4 },
    { section: 'Unit', name: 'Description', value: 'My desc', line: 9 },
    { section: 'Service', name: 'Environment', value: 'A=1', line: 11 },
    { section: 'Service', name: 'Environment', value: '', line: 12 },
  ]);
});

test('the canonical text is that of fleet 1.0: sections regrouped, comments gone, continued lines kept', () => {
  assert.equal(printUnitFile(parse(formatted)), String.raw`[Service]
ExecStart=/bin/sh -c "echo a; \
  sleep 1000"
Environment=A=1
Environment=

[Unit]
Description=My desc
`);
  assert.equal(printUnitFile(parse('')), '');
  assert.equal(printUnitFile(parse('# nothing\n[Service]\n')), '');
});

test('hashes are those fleet 1.0 recorded', () => {
  const table: readonly (readonly [string, string])[] = [
    ['[Service]\nExecStart=/bin/sleep infinity\n', '8385c9176f09a5ee3bbb88d45c6fc3f0b69d1f52'],
    ['[Unit]\nDescription=Fail\n[Service]\nExecStart=/bin/false\n', '4b248dac93ac5f4f06b0877b630f880a967fc30e'],
    ['[Service]\nType=oneshot\nExecStart=/bin/true', 'b5636648516e51ad1da551a3cc60d95cdde97e60'],
    ['[Unit]\nDescription=My desc\nAfter=x.service\n\n[Service]\nExecStart=/bin/sh -c "echo a; \\\n  sleep 1000"\nEnvironment=A=1\n\n'
      + '[X-Fleet]\nBogus=1\nMachineMetadata="region=us-west" "az=a"\n', '4c9ecdb0e86d4b7a422bff2b7ffa299784ed04e9'],
  ];
  for (const [text, hash] of table) assert.equal(hashUnitFile(parse(text)), hash, text);
});

test('lines are read as systemd reads them', () => {
  /** Files and what systemd 252 then said of Description= and Documentation=. */
  const recorded: readonly (readonly [string, string, string | null])[] = [
    ['[Unit]\nDescription=a \\\n# comment \\\n  b\\\n;c\n\\\n d \nDocumentation=man:x\n', 'a    b   d', 'man:x'],
    ['\uFEFF[Unit]\r\nDescription=a \\\r\n b\r\n', 'a   b', null],
    ['[Unit]\nDescription=a \\\\\nDocumentation=man:x\n', String.raw`a \\`, 'man:x'],
    ['[Unit]\nDescription=x\\\n\nDocumentation=man:x\n', 'x', 'man:x'],
    ['[Unit]\nDescription=x\rDocumentation=man:x\r', 'x', 'man:x'],
    ['[Unit]\n  Description = x  y \n\tDocumentation\t=\tman:x\n', 'x  y', 'man:x'],
    ['[Unit]\n# c \\\nDescription=x\nDocumentation=man:x\\', 'x', 'man:x'],
  ];
  for (const [text, description, documentation] of recorded) {
    const file = parse(text);
    assert.equal(lastValue(file, 'Unit', 'Description'), description, text);
    assert.equal(lastValue(file, 'Unit', 'Documentation'), documentation, text);
  }
});

test('what is wrong is named with its line and column', () => {
  const table: readonly (readonly [string, string])[] = [
    ['foo', 'line 1, column 1: "foo" stands before the first section; start with a header such as [Unit]'],
    ['\n  a=b', 'line 2, column 3: "a=b" stands before the first section; start with a header such as [Unit]'],
    ['[Unit', 'line 1, column 1: "[Unit" has no closing "]"'],
    ['[Unit] x', 'line 1, column 7: " x" after a section header'],
    ['[]', 'line 1, column 1: "[]" is no section header'],
    ['[[Unit]', 'line 1, column 1: "[[Unit]" is no section header'],
    ['[Unit]\n\n  Description', 'line 3, column 3: "Description" is not an assignment; write Key=Value'],
    ['[Unit]\n =x', 'line 2, column 2: "=x" has no key before the "="'],
    ['[Unit]\nA=b\0c', 'line 2, column 4: a zero byte; a unit file is text'],
    ['[Unit]\nA=b\\\n\0', 'line 3, column 1: a zero byte; a unit file is text'],
    ['[Unit]\nA=b\ud800c', 'line 2, column 4: half a character; save the file as UTF-8'],
    [`[Unit]\n${'x'.repeat(100)}`, `line 2, column 1: "${'x'.repeat(60)}..." is not an assignment; write Key=Value`],
  ];
  for (const [text, message] of table) {
    assert.deepEqual(parseUnitFile(text), { ok: false, failure: { code: 'UNIT_FILE_INVALID', message } });
  }
});

test('64 KiB is the limit, counted in bytes', () => {
  const head = '[Unit]\nA=';
  const room = limits.unitFileBytesMax - head.length;
  assert.ok(parseUnitFile(head + 'x'.repeat(room)).ok);
  assert.ok(parseUnitFile(head + 'é'.repeat(room / 2 - 1)).ok);
  for (const text of [head + 'x'.repeat(room + 1), head + 'é'.repeat(room / 2 + 1)]) {
    const file = parseUnitFile(text);
    assert.equal(file.ok ? '' : file.failure.code, 'UNIT_FILE_TOO_LARGE');
  }
});

test('bytes that are not UTF-8 are refused with their line', () => {
  const bytes = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
  assert.deepEqual(decodeUnitText(bytes('[Unit]\nDescription=\xc3\xa9\n')), { ok: true, value: '[Unit]\nDescription=é\n' });
  const message = 'line 2: bytes that are not UTF-8; save the file as UTF-8';
  assert.deepEqual(decodeUnitText(bytes('[Unit]\nDescription=\xe9\n')), { ok: false, failure: { code: 'UNIT_FILE_INVALID', message } });
  assert.equal(decodeUnitText(new Uint8Array(limits.unitFileBytesMax + 1)).ok, false);
});

test('an empty assignment resets a list, the last assignment of a single value wins', () => {
  const file = parse('[Service]\nEnvironment=A=1\nEnvironment=\nEnvironment=B=2 \\\n  C=3\nType=simple\nType=oneshot\nUser=x\nUser=');
  assert.deepEqual(values(file, 'Service', 'Environment'), ['A=1', '', 'B=2    C=3']);
  assert.deepEqual(allValues(file, 'Service', 'Environment'), ['B=2    C=3']);
  assert.deepEqual(allValues(file, 'Service', 'Nothing'), []);
  assert.equal(lastValue(file, 'Service', 'Type'), 'oneshot');
  assert.equal(lastValue(file, 'Service', 'User'), null);
  assert.equal(lastValue(file, 'Unit', 'Type'), null);
  assert.equal(joinedValue('\\\n'), '');
});

test('options of an API request become the file they describe', () => {
  const file = unitFileFromOptions([
    { section: 'Service', name: 'ExecStart', value: ' /bin/sh -c "a \\\n# gone\\\n b" ' },
    { section: 'Unit', name: 'Description', value: 'x' },
    { section: 'Service', name: 'Environment', value: 'A=1\\' },
    { section: 'Service', name: 'User', value: 'u' },
  ]);
  assert.ok(file.ok);
  assert.ok(file.value.options.every((option) => option.line === 0));
  assert.equal(printUnitFile(file.value), '[Service]\nExecStart=/bin/sh -c "a \\\n b"\nEnvironment=A=1\\\n\nUser=u\n\n[Unit]\nDescription=x\n');
});

test('an option that would smuggle in others is refused by name', () => {
  const last = { section: 'Service', name: 'User', value: 'nobody' };
  const wrong: readonly GivenOption[] = [
    { section: 'Service', name: 'ExecStart', value: '/bin/true\nUser=root' },
    { section: 'Service', name: 'ExecStart', value: '/bin/true\rUser=root' },
    { section: 'Service', name: 'ExecStart', value: '/bin/true\\\n\nUser=root' },
    { section: 'Service', name: 'ExecStart', value: '/bin/true \\\n#' },
    { section: 'Service', name: 'ExecStart=/bin/true\nUser', value: 'root' },
    { section: 'Service', name: 'User=root', value: 'x' },
    { section: 'Service', name: '#User', value: 'x' },
    { section: 'Service', name: '', value: 'x' },
    { section: 'Service', name: ' User', value: 'x' },
    { section: 'Service]\nUser=root\n[Service', name: 'Type', value: 'x' },
    { section: '', name: 'Type', value: 'x' },
    { section: 'Service', name: 'Type', value: 'a\0b' },
    { section: 'Service', name: 'Type', value: '\udc00' },
  ];
  for (const option of wrong) {
    const file = unitFileFromOptions([option, last]);
    assert.ok(!file.ok && file.failure.code === 'UNIT_FILE_INVALID', JSON.stringify(option));
    assert.match(file.failure.message, /^option ".*" of section ".*": [^\n]+$/);
  }
});

const line = fc.oneof(
  fc.constantFrom('[Unit]', '[Service]', '[X-Fleet]', '# c', '; c \\', '', '  ', 'A=', 'A=b \\', 'A=\\\\', 'C = d '),
  fc.string({ unit: fc.constantFrom(...'[]=#;\\ ab\t"é\uFEFF') }).map((value) => `K=${value}`),
  fc.string({ unit: fc.constantFrom(...'#;\\ ab') }).map((piece) => `K=\\\n${piece}`),
  fc.string({ unit: 'binary', maxLength: 10 }).map((value) => ` K =${value}`),
);
const fileText = fc.tuple(fc.array(line, { maxLength: 30 }), fc.constantFrom('\n', '\r\n', '\r', '\n\r'))
  .map(([lines, end]) => `[Start]${end}${lines.join(end)}`);

test('whatever parses prints to a text that parses to the same options and prints the same again', () => {
  fc.assert(fc.property(fc.oneof(fileText, fc.string({ unit: 'binary' })), (text) => {
    const file = parseUnitFile(text);
    if (!file.ok) {
      assert.match(file.failure.message, /^line \d+, column [1-9]\d*: [^\n]+$/);
      return;
    }
    const again = parse(printUnitFile(file.value));
    assert.deepEqual(keysAndValues(again), keysAndValues(file.value));
    assert.equal(printUnitFile(again), printUnitFile(file.value));
    const options = again.options.map((option) => ({ ...option, line: 0 }));
    assert.deepEqual(unitFileFromOptions(file.value.options), { ok: true, value: { options } });
  }), { numRuns: 2_000 });
});

test('options of an API request are refused or read back under the same keys', () => {
  const text = fc.string({ unit: fc.constantFrom(...'[]=#;\\\n\r ab') });
  const option = fc.record({ section: text, name: text, value: text });
  fc.assert(fc.property(fc.array(option, { maxLength: 4 }), (options) => {
    const file = unitFileFromOptions(options);
    if (!file.ok) return;
    const keys = (each: readonly GivenOption[]): string[] => each.map(({ section, name }) => JSON.stringify([section, name])).sort();
    assert.deepEqual(keys(file.value.options), keys(options));
    assert.deepEqual(keysAndValues(parse(printUnitFile(file.value))), keysAndValues(file.value));
  }), { numRuns: 2_000 });
});

test('a large hostile file is read at once', () => {
  const size = limits.unitFileBytesMax - 100;
  const bodies = [
    ' '.repeat(size), `A=${' '.repeat(size)}x`, 'A=\\\n'.repeat(size / 4), '\\\n'.repeat(size / 2), '\n'.repeat(size),
    '[a]\n'.repeat(size / 4),
  ];
  for (const body of bodies) {
    parseUnitFile(`[Unit]\n${body}`);
    parseUnitFile(`[Unit]\nB=\\\n${body}`);
  }
});

/** Unit files and their drop-ins below a directory; none when it does not exist. */
function unitFilesBelow(directory: string): readonly string[] {
  const isUnit = (name: string): boolean => unitTypes.some((type) => name.endsWith(`.${type}`));
  const isDropIn = (path: string): boolean => path.endsWith('.conf') && isUnit(path.replace(/\.d\/[^/]*$/, ''));
  const entries = (() => {
    try {
      return readdirSync(directory, { recursive: true, withFileTypes: true });
    } catch {
      return [];
    }
  })();
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return paths.filter((path) => isUnit(path) || isDropIn(path));
}

test('every unit file of this machine and of FLEET_TEST_ROOTFS reads back as itself, without a false alarm', (context) => {
  const roots = ['/', ...(process.env['FLEET_TEST_ROOTFS'] === undefined ? [] : [process.env['FLEET_TEST_ROOTFS']])];
  const directories = ['usr/lib/systemd', 'lib/systemd', 'etc/systemd'];
  const files = roots.flatMap((root) => directories.flatMap((directory) => unitFilesBelow(join(root, directory))));
  context.diagnostic(`${files.length} unit files below ${roots.join(' and ')}`);
  for (const path of files) {
    const text = decodeUnitText(readFileSync(path));
    assert.ok(text.ok, path);
    const file = parseUnitFile(text.value);
    assert.ok(file.ok, `${path}: ${file.ok ? '' : file.failure.message}`);
    assert.deepEqual(keysAndValues(parse(printUnitFile(file.value))), keysAndValues(file.value), path);
    const name = parseUnitName(path.slice(path.lastIndexOf('/') + 1));
    if (name.ok) assert.deepEqual(verifyUnitFile(name.value.name, file.value).errors, [], path);
  }
});
