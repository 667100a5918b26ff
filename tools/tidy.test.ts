/** Rules of the repository that no linter knows, as tests. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  .split('\n').filter((path) => path !== '' && existsSync(join(root, path)));
const code = tracked.filter((path) => /^(src|sim|tools|test|bench)\/.*\.tsx?$/.test(path) && !path.includes('/generated/') && !path.endsWith('.d.ts'));
const isTest = (path: string): boolean => /\.(test|contract)\.ts$/.test(path);
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Lists offenders as lines, so that a failure names them all. */
function none(offenders: readonly string[], rule: string): void {
  assert.deepEqual(offenders, [], `${rule}:\n${offenders.join('\n')}`);
}

test('every file of code opens by saying what it is for', () => {
  none(code.filter((path) => !isTest(path) && !/^(#!.*\n)?\/\*\*/.test(read(path))), 'no opening doc comment');
});

test('product files have at most 400 lines, and no line outside of tests is longer than 160 characters', () => {
  const product = code.filter((path) => /^(src|sim)\//.test(path) && !isTest(path));
  none(product.filter((path) => read(path).split('\n').length > 401), 'longer than 400 lines');
  none(code.filter((path) => !isTest(path) && read(path).split('\n').some((line) => line.length > 160)), 'a line longer than 160 characters');
});

test('names say what a file holds', () => {
  none(code.filter((path) => /^(utils?|common|helpers?|misc|manager\d*)\./.test(basename(path))), 'vague file name');
  none(code.filter((path) => !/^[a-z0-9.-]+\.tsx?$/.test(basename(path))), 'not kebab-case');
});

test('nothing is left for later without a trace, and no test is skipped or focused', () => {
  const marks = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`);
  none(code.filter((path) => marks.test(read(path))), 'a mark of unfinished work');
  none(code.filter((path) => isTest(path) && /\b(test|describe|it)\.(only|skip|todo)\(/.test(read(path))), 'skipped or focused test');
});

test('every deliberate mistake still applies to the sources', () => {
  const applies = (path: string): boolean => spawnSync('git', ['apply', '--check', path], { cwd: root }).status === 0;
  none(tracked.filter((path) => path.startsWith('sim/bugs/') && path.endsWith('.patch') && !applies(path)), 'make it again from the sources as they are');
});

test('every path that a document names is there', () => {
  const documents = tracked.filter((path) => path.endsWith('.md'));
  const named = documents.flatMap((path) => [...read(path).matchAll(/`((?:src|sim|test|tools|bench|native|packaging|docs|examples)\/[^`\s]*)`/g)]
    .map(([, at = '']) => ({ path, at })));
  assert.ok(named.length > 50, 'documents name paths');
  const isThere = (at: string): boolean => {
    const pattern = new RegExp(`^${at.replace(/[.+?^$()|[\]{}\\]/g, '\\$&').replaceAll('*', '[^/]*')}${at.endsWith('/') ? '' : '(/|$)'}`);
    return tracked.some((file) => pattern.test(file));
  };
  none(named.filter(({ at }) => !isThere(at)).map(({ path, at }) => `${path}: ${at}`), 'no such file or folder');
});

test('every interface with several implementations has its contract beside it', () => {
  for (const path of ['src/store/store.contract.ts', 'src/runner/runner.contract.ts']) assert.ok(tracked.includes(path), path);
});

test('lib stays small and free of the domain', () => {
  const files = tracked.filter((path) => path.startsWith('src/lib/') && !isTest(path));
  assert.ok(files.length <= 10, `lib has ${files.length} files`);
});
