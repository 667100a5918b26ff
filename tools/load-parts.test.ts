import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { createPartLoader, partParameters } from './load-parts.ts';

function loaderOf(parts: Readonly<Record<string, string>>) {
  const loaded: string[] = [];
  const load = createPartLoader({
    text: (name) => Buffer.from(`(function(${partParameters}){${parts[name] ?? ''}})`),
    code: () => undefined,
    onLoaded: (name) => loaded.push(name),
  });
  return { load, loaded };
}

test('a part is run once, when it is first asked for', () => {
  const { load, loaded } = loaderOf({
    'a.js': 'exports.b = require("./b.js"); exports.again = require("./b.js"); exports.later = () => require("./c.js").n',
    'b.js': 'module.exports = { n: 1 }',
    'c.js': 'exports.n = 2',
  });
  const a = load('a.js') as { readonly b: object; readonly again: object; readonly later: () => number };
  assert.equal(a.b, a.again);
  assert.deepEqual(loaded, ['a.js', 'b.js']);
  assert.equal(a.later(), 2);
  assert.deepEqual(loaded, ['a.js', 'b.js', 'c.js']);
});

test('parts that ask for one another get what there is so far', () => {
  const { load } = loaderOf({
    'a.js': 'exports.early = 1; exports.seen = require("./b.js").seen',
    'b.js': 'exports.seen = require("./a.js").early',
  });
  assert.equal((load('a.js') as { readonly seen: number }).seen, 1);
});

test("Node's own modules are there, and nothing else", () => {
  const { load } = loaderOf({ 'a.js': 'exports.join = require("node:path").join("a", require("fs") && "b")', 'b.js': 'require("cpu-features")' });
  assert.equal((load('a.js') as { readonly join: string }).join, 'a/b');
  assert.throws(() => load('b.js'), /Cannot find module 'cpu-features'/);
});

test('a part is where the executable is', () => {
  const { load } = loaderOf({ 'a.js': 'exports.at = [__dirname, __filename]' });
  assert.deepEqual((load('a.js') as { readonly at: readonly string[] }).at, [dirname(process.execPath), process.execPath]);
});
