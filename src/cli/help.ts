/**
 * Help texts, in fleet 1.0's layout: NAME, USAGE, VERSION, COMMANDS, DESCRIPTION, OPTIONS.
 * Promises: everything is taken from the tables of verbs and flags.
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
    ['USAGE', indent([`fleetctl ${verb.name} ${verb.usage}`.trimEnd(), ...aliases])],
    ['DESCRIPTION', indent(verb.description)],
    ...(verb.flags.length === 0 ? [] : [['OPTIONS', flagLines(verb.flags)] as const]),
    ['GLOBAL OPTIONS', flagLines(globalFlags)],
  ]);
}

function sections(parts: readonly (readonly [string, readonly string[]])[]): string {
  return parts.map(([title, lines]) => `${title}:\n${lines.join('\n')}\n`).join('\n');
}

function indent(lines: readonly string[]): readonly string[] {
  return lines.map((line) => (line === '' ? '' : `\t${line}`));
}

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
  return sorted.map((flag) => `  ${writtenFlag(flag).padEnd(width)}   ${flag.text}${fallbackText(flag)}`);
}

function fallbackText(flag: FlagSpec): string {
  if (flag.fallback === '' || flag.fallback === 'false') return '';
  return ` (default ${flag.kind === 'text' ? `"${flag.fallback}"` : flag.fallback})`;
}
