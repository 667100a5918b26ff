/**
 * Command lines of Exec…= options (systemd.service(5) "COMMAND LINES").
 * Promises: pure; quoting, prefixes and ";" as systemd 252 reads them. $VARIABLES stay: the keeper expands them when it runs
 * the command, because environment files are read then.
 */
import { failure, success } from '../../core/failure.ts';
import type { Result } from '../../core/failure.ts';
import { splitQuoted } from '../../core/words.ts';

/** One command of an Exec…= option. */
export interface Command {
  /** Prefixes that the keeper heeds: "-" forgives a failure, ":" keeps $VARIABLES, "+" and "!" keep the privileges. */
  readonly prefixes: string;
  /** Absolute path, or a name to be looked for in the search path. */
  readonly path: string;
  /** argv, argv[0] included. */
  readonly words: readonly string[];
}

/** Expands the specifiers of one word. */
export type Expand = (text: string) => Result<string>;

/** The commands of one line, several when they are parted by ";". Fails on what systemd calls a bad setting. */
export function readCommandLine(line: string, expand: Expand): Result<readonly Command[]> {
  const commands: Command[] = [];
  for (const part of splitCommands(line)) {
    const words = splitQuoted(part);
    if (!words.ok) return words;
    // systemd forgives a ";" at either end.
    if (words.value.length === 0) continue;
    const command = readCommand(words.value, expand);
    if (!command.ok) return command;
    commands.push(command.value);
  }
  return commands.length > 0 ? success(commands) : failure('UNIT_OPTION_INVALID', 'an empty command line');
}

/** Parts a line at each ";" that is a word of its own, outside quotes; "\;" is that character as a word. */
function splitCommands(line: string): readonly string[] {
  const parts: string[] = [];
  let part = '';
  let quote = '';
  for (let at = 0; at < line.length; at += 1) {
    const character = line.charAt(at);
    const startsWord = quote === '' && (at === 0 || /\s/.test(line.charAt(at - 1)));
    if (startsWord && /^;(\s|$)/.test(line.slice(at, at + 2))) {
      parts.push(part);
      part = '';
    } else if (startsWord && /^\\;(\s|$)/.test(line.slice(at, at + 3))) {
      part += '";"';
      at += 1;
    } else if (character === '\\') {
      part += line.slice(at, at + 2);
      at += 1;
    } else {
      if (quote === '' && (character === '"' || character === "'")) quote = character;
      else if (character === quote) quote = '';
      part += character;
    }
  }
  return [...parts, part];
}

function readCommand(words: readonly string[], expand: Expand): Result<Command> {
  const [first = '', ...rest] = words;
  const marks = /^[-@:+!]*/.exec(first)?.[0] ?? '';
  const wrong = whyPrefixesWrong(marks);
  if (wrong !== null) return failure('UNIT_OPTION_INVALID', `"${first}": ${wrong}`);
  const expanded = expandAll([first.slice(marks.length), ...rest], expand);
  if (!expanded.ok) return expanded;
  const [path = '', ...argv] = expanded.value;
  const trouble = whyPathWrong(path);
  if (trouble !== null) return failure('UNIT_OPTION_INVALID', `"${first}": ${trouble}`);
  if (marks.includes('@') && argv.length === 0) {
    return failure('UNIT_OPTION_INVALID', `"${first}": after "@" the path is followed by the name the program sees`);
  }
  // "!!" means "!" only where the kernel has no ambient capabilities, which every supported one has.
  const prefixes = marks.replace('!!', '').replace('@', '');
  return success({ prefixes, path, words: marks.includes('@') ? argv : [path, ...argv] });
}

function expandAll(words: readonly string[], expand: Expand): Result<readonly string[]> {
  const expanded: string[] = [];
  for (const word of words) {
    const one = expand(word);
    if (!one.ok) return one;
    expanded.push(one.value);
  }
  return success(expanded);
}

function whyPrefixesWrong(marks: string): string | null {
  const privileges = marks.replace(/[-@:]/g, '');
  if (!['', '+', '!', '!!'].includes(privileges)) return `"${privileges}" are prefixes that exclude each other`;
  for (const mark of '-@:') if (marks.split(mark).length > 2) return `the prefix "${mark}" stands there twice`;
  return null;
}

function whyPathWrong(path: string): string | null {
  if (path === '') return 'a command without a program';
  if (path.endsWith('/')) return 'that is a directory, not a program';
  if (path.includes('/') && !path.startsWith('/')) return 'a program is an absolute path, or a name without "/"';
  return null;
}
