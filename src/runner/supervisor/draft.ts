/**
 * A unit on its way to the keeper's instructions: settings by key, commands by phase.
 * Promises: printing never produces a line the keeper could take for another one.
 */
import { assert } from '../../core/failure.ts';
import type { Command, Expand } from './command-line.ts';

/** When a command is run; the words of the keeper's instructions. */
export type Phase = 'condition' | 'start-pre' | 'start' | 'start-post' | 'reload' | 'stop' | 'stop-post';

export interface Draft {
  /** Fields of each setting, by the key of the instructions. */
  readonly settings: Map<string, readonly string[]>;
  readonly commands: Map<Phase, readonly Command[]>;
  /** Soft and hard limit by resource. */
  readonly limits: Map<string, readonly [string, string]>;
  /** Directories to make, by option: RuntimeDirectory, StateDirectory ... */
  readonly directories: Map<string, readonly string[]>;
  readonly directoryModes: Map<string, string>;
  description: string;
}

/** What the values of a unit are read with. */
export interface DraftContext {
  readonly expand: Expand;
  /** Where RuntimeDirectory= and the like, and relative PID files, lie: by option name. */
  readonly bases: Readonly<Record<string, string>>;
}

export function newDraft(): Draft {
  return {
    settings: new Map(), commands: new Map(), limits: new Map(), directories: new Map(), directoryModes: new Map(), description: '',
  };
}

/** The first field of a setting; '' when it is not set. */
export function settingOf(draft: Draft, key: string): string {
  return draft.settings.get(key)?.[0] ?? '';
}

/** The instructions as native/keeper/protocol.h describes them. */
export function printInstructions(draft: Draft): string {
  const lines: string[] = ['fleet-keeper-instructions 1'];
  const add = (...fields: readonly string[]): void => void lines.push(fields.map(escapeField).join('\t'));
  for (const [key, fields] of draft.settings) if (fields.length > 0) add(key, ...fields);
  for (const [resource, [soft, hard]] of draft.limits) add('limit', resource, soft, hard);
  for (const [phase, commands] of draft.commands) {
    for (const { prefixes, path, words } of commands) add('exec', phase, prefixes, path, ...words);
  }
  return `${lines.join('\n')}\nend\n`;
}

function escapeField(field: string): string {
  assert(!field.includes('\0'), 'unit text holds no zero bytes');
  return field.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n');
}
