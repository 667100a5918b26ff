/**
 * Help texts, in fleet 1.0's layout: NAME, USAGE, VERSION, COMMANDS, DESCRIPTION, OPTIONS.
 * Promises: everything is taken from the tables of verbs and flags; no line is wider than a terminal of 80 columns.
 */
import { globalFlags } from './flags.ts';
import type { FlagSpec } from './flags.ts';
import { formatTable } from './table.ts';
import { verbs } from './verbs.ts';
import type { VerbSpec } from './verb-spec.ts';

/** What `fleetctl help` prints. */
export function programHelp(version: string): string {
  return sections([
    ['NAME', indent(['fleetctl - the command line of fleet, the cluster-wide init system'])],
    ['USAGE', indent(['fleetctl [OPTIONS] COMMAND [ARGUMENTS]'])],
    ['VERSION', indent([version])],
    [
      'COMMANDS',
      indent(
        formatTable(verbs.map((verb) => [verb.name, verb.summary]))
          .trimEnd()
          .split('\n'),
      ),
    ],
    ['OPTIONS', flagLines(globalFlags)],
  ]);
}

/** What `fleetctl help VERB` prints. */
export function verbHelp(verb: VerbSpec): string {
  const aliases = verb.aliases.map((alias) => `fleetctl ${alias} ${verb.usage}`);
  return sections([
    ['NAME', indent([`${verb.name} - ${verb.summary}`])],
    ['USAGE', indent([`fleetctl ${verb.name} ${verb.usage}`.trimEnd(), ...aliases].flatMap(wrapUsage))],
    ['DESCRIPTION', indent(paragraphs(verb.description))],
    ...(verb.flags.length === 0 ? [] : [['OPTIONS', flagLines(verb.flags)] as const]),
    ['GLOBAL OPTIONS', flagLines(globalFlags)],
  ]);
}

function sections(parts: readonly (readonly [string, readonly string[]])[]): string {
  return parts.map(([title, lines]) => `${title}:\n${lines.join('\n')}\n`).join('\n');
}

/** A usage over several lines, the later ones further in. */
function wrapUsage(text: string): readonly string[] {
  const [first = '', ...others] = wrap(text, indentedMax - 4);
  return [first, ...others.map((line) => `    ${line}`)];
}

/** Prose, wrapped anew; empty lines and examples stay as they are. */
function paragraphs(lines: readonly string[]): readonly string[] {
  const isProse = (line: string | undefined): line is string => line !== undefined && line !== '' && !line.startsWith('fleetctl ');
  const joined: string[] = [];
  for (const [index, line] of lines.entries()) {
    if (isProse(line) && isProse(lines[index - 1])) joined.push(`${joined.pop() ?? ''} ${line}`);
    else joined.push(line);
  }
  return joined.flatMap((line) => (isProse(line) ? wrap(line, indentedMax) : [line]));
}

function indent(lines: readonly string[]): readonly string[] {
  return lines.map((line) => (line === '' ? '' : `\t${line}`));
}

const columnsMax = 80;
/** Behind a tab. */
const indentedMax = columnsMax - 8;

const kindWords: Readonly<Record<FlagSpec['kind'], string>> = {
  switch: '',
  text: ' string',
  integer: ' int',
  port: ' int',
  number: ' float',
};

/** How a flag is written: "-l, --full", "--lines int". */
function writtenFlag(flag: FlagSpec): string {
  return `${flag.short === undefined ? '    ' : `-${flag.short}, `}--${flag.name}${kindWords[flag.kind]}`;
}

function flagLines(flags: readonly FlagSpec[]): readonly string[] {
  const sorted = [...flags].sort((left, right) => (left.name < right.name ? -1 : 1));
  const width = Math.max(...sorted.map((flag) => writtenFlag(flag).length));
  return sorted.flatMap((flag) => {
    const texts = wrap(`${flag.text}${fallbackText(flag)}`, columnsMax - width - 5);
    return texts.map((text, index) => `  ${(index === 0 ? writtenFlag(flag) : '').padEnd(width)}   ${text}`);
  });
}

/** Breaks a text between words into lines of at most `width` characters; a longer word has a line of its own. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function fallbackText(flag: FlagSpec): string {
  if (flag.fallback === '' || flag.fallback === 'false') return '';
  return ` (default ${flag.kind === 'text' ? `"${flag.fallback}"` : flag.fallback})`;
}
