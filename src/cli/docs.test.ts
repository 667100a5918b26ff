import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { machineColumns, serviceColumns, unitColumns, unitFileColumns } from './columns.ts';
import { globalFlags } from './flags.ts';
import type { FlagSpec } from './flags.ts';
import { verbs } from './verbs.ts';

const path = join(import.meta.dirname, '../../docs/fleetctl.md');

/** How a flag is written in the document. */
function written({ name, short, kind }: FlagSpec): string {
  const value = { switch: '', text: '=TEXT', integer: '=N', port: '=N', number: '=SECONDS' }[kind];
  return `\`${short === undefined ? '' : `-${short}, `}--${name}${value}\``;
}

/** A table of all global flags. */
function globalTable(): string {
  const rows = globalFlags.map(
    (flag) => `| ${written(flag)} | ${flag.text} | ${flag.fallback === '' ? '' : `\`${flag.fallback}\``} |`,
  );
  return ['| flag | meaning | default |', '|---|---|---|', ...rows].join('\n');
}

/** A table of the flags of commands: one row for each flag of one meaning, with the commands that take it. */
function commandTable(): string {
  const rows = new Map<string, string[]>();
  for (const verb of verbs) {
    for (const flag of verb.flags) {
      const row = `| ${written(flag)} | ${flag.text} |`;
      rows.set(row, [...(rows.get(row) ?? []), `\`${verb.name}\``]);
    }
  }
  const lines = [...rows].sort(([left], [right]) =>
    left.replace(/^.*?--/, '') < right.replace(/^.*?--/, '') ? -1 : 1,
  );
  return [
    '| flag | meaning | commands |',
    '|---|---|---|',
    ...lines.map(([row, names]) => `${row} ${names.join(', ')} |`),
  ].join('\n');
}

/** Puts the tables behind their marks, in the place of those that stand there. */
function withTables(text: string): string {
  let filled = text;
  for (const [mark, table] of [
    ['global', globalTable()],
    ['commands', commandTable()],
  ] as const) {
    filled = filled.replace(
      new RegExp(`<!-- flags: ${mark} -->\\n(\\n*\\|[^\\n]*)*\\n*`),
      () => `<!-- flags: ${mark} -->\n\n${table}\n\n`,
    );
  }
  return filled;
}

describe('docs/fleetctl.md', () => {
  test('has the flags of the tables that the program reads (UPDATE_GOLDEN=1 rewrites them)', () => {
    const text = readFileSync(path, 'utf8');
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, withTables(text));
    else assert.equal(text, withTables(text));
  });

  test('has a section with an example for every command, and for no other', () => {
    const commands = /\n## Commands\n(.*?)\n## /s.exec(readFileSync(path, 'utf8'))?.[1] ?? '';
    const sections = [...commands.matchAll(/\n### (\S+)\n(.*?)(?=\n### |$)/gs)];
    assert.deepEqual(sections.map(([, name]) => name).sort(), verbs.map(({ name }) => name).sort());
    for (const [, name = '', body = ''] of sections)
      assert.match(body, new RegExp(`\`\`\`sh\\nfleetctl ${name}`), name);
  });

  test('names every column of the lists', () => {
    const text = readFileSync(path, 'utf8');
    for (const columns of [machineColumns, serviceColumns, unitColumns, unitFileColumns]) {
      for (const field of Object.keys(columns)) assert.ok(text.includes(`\`${field}\``), field);
    }
  });
});
