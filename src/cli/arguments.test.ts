import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createFlags, readCommandLine } from './arguments.ts';
import type { FlagSpec } from './flags.ts';

const specs: readonly FlagSpec[] = [
  { name: 'etcd-key-prefix', kind: 'text', fallback: '/_coreos.com/fleet/', text: '' },
  { name: 'follow', short: 'f', kind: 'switch', fallback: 'false', text: '' },
  { name: 'full', short: 'l', kind: 'switch', fallback: 'false', text: '' },
  { name: 'no-block', kind: 'switch', fallback: 'false', text: '' },
  { name: 'lines', short: 'n', kind: 'integer', fallback: '10', text: '' },
  { name: 'request-timeout', kind: 'number', fallback: '3', text: '' },
];

/** A command line in brief: "follow=true lines=5 | word word", or the failure's message. */
function read(line: string): string {
  const result = readCommandLine(line.split(' '), specs);
  if (!result.ok) return result.failure.message;
  const values = [...result.value.values].map(([name, value]) => `${name}=${value}`);
  return `${values.join(' ')} | ${result.value.words.join(' ')}`;
}

const table: readonly (readonly [string, string])[] = [
  ['--etcd-key-prefix=/fleet list-units', 'etcd-key-prefix=/fleet | list-units'],
  ['-etcd-key-prefix=/fleet list-units', 'etcd-key-prefix=/fleet | list-units'],
  ['--etcd-key-prefix /fleet list-units', 'etcd-key-prefix=/fleet | list-units'],
  ['-etcd-key-prefix /fleet list-units', 'etcd-key-prefix=/fleet | list-units'],
  ['list-units --etcd-key-prefix=a=b', 'etcd-key-prefix=a=b | list-units'],
  ['list-units --etcd-key-prefix=', 'etcd-key-prefix= | list-units'],
  ['list-units -l', 'full=true | list-units'],
  ['list-units --l', 'full=true | list-units'],
  ['list-units -full', 'full=true | list-units'],
  ['list-units --full=false', 'full=false | list-units'],
  ['list-units --full --full=0', 'full=false | list-units'],
  ['list-units -l=T', 'full=true | list-units'],
  ['journal -f -n 5 a', 'follow=true lines=5 | journal a'],
  ['journal -fn5 a', 'follow=true lines=5 | journal a'],
  ['journal -fn 5 a', 'follow=true lines=5 | journal a'],
  ['journal -n=5 a', 'lines=5 | journal a'],
  ['journal -lines 5 a', 'lines=5 | journal a'],
  ['start -no-block a', 'no-block=true | start a'],
  ['start -- -a --full', ' | start -a --full'],
  ['start -', ' | start -'],
  ['--request-timeout .5 x', 'request-timeout=.5 | x'],
  ['journal -n', 'flag needs a value: -n=VALUE'],
  ['journal -nx', 'invalid value "x" for flag -n: must be a whole number'],
  ['journal -fx', 'unknown flag: -fx'],
  ['start --no-blok', 'unknown flag: --no-blok; did you mean --no-block?'],
  ['start --no-block=maybe', 'invalid value "maybe" for flag --no-block: must be true or false'],
  ['--request-timeout -1', 'invalid value "-1" for flag --request-timeout: must be a number of seconds greater than 0'],
];

test('flags are read in the forms of Go and GNU', () => {
  for (const [line, expected] of table) assert.equal(read(line), expected, line);
});

test('a flag means the same wherever it stands among the words', () => {
  const flag = fc.constantFrom(
    ['--full'],
    ['-l'],
    ['-lines=7'],
    ['-n', '7'],
    ['--etcd-key-prefix', '/x'],
    ['--no-block=true'],
  );
  const word = fc.stringMatching(/^[a-z][a-z0-9.@]{0,8}$/);
  fc.assert(
    fc.property(fc.array(word, { maxLength: 5 }), flag, fc.nat(5), (words, given, place) => {
      const at = Math.min(place, words.length);
      const moved = readCommandLine([...words.slice(0, at), ...given, ...words.slice(at)], specs);
      const first = readCommandLine([...given, ...words], specs);
      assert.deepEqual(moved, first);
      assert.ok(first.ok);
      assert.deepEqual(first.value.words, words);
    }),
  );
});

test('no command line makes the reader throw, and every value it gives has passed its check', () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom('-n', '--full', '-fln', '--', '--lines=', '-l=', '--request-timeout'),
  );
  fc.assert(
    fc.property(fc.array(piece), (argv) => {
      const result = readCommandLine(argv, specs);
      if (!result.ok) return assert.ok(!result.failure.message.includes('undefined'));
      const flags = createFlags(specs, result.value.values);
      assert.ok(Number.isInteger(flags.number('lines')));
      assert.ok(flags.number('request-timeout') > 0);
      return undefined;
    }),
  );
});
