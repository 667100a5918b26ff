/** What the table of verbs says of each verb. Promises: plain data; nothing is read of a verb's code before it runs. */
import type { FlagSpec } from './flags.ts';
import type { Verb } from './session.ts';

/** One verb. */
export interface VerbSpec {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  /** What follows "fleetctl NAME" in its usage. */
  readonly usage: string;
  readonly description: readonly string[];
  readonly flags: readonly FlagSpec[];
  /** Put before what an endpoint or the API complains about. */
  readonly errorPrefix: string;
  /** False for verbs that need no cluster. */
  readonly online: boolean;
  /** It says by itself when the store is away. */
  readonly saysStale?: boolean;
  /** How many words, the verb among them, stand before a command whose flags are not ours; absent: there is none. */
  readonly wordsBeforeCommand?: (values: ReadonlyMap<string, string>) => number;
  readonly load: () => Promise<{ readonly run: Verb }>;
}

type Wanted = Pick<VerbSpec, 'name' | 'summary' | 'usage' | 'description' | 'load'> & Partial<VerbSpec>;

/** A verb with what most verbs have. */
export function verb(spec: Wanted): VerbSpec {
  return { aliases: [], flags: [], errorPrefix: '', online: true, ...spec };
}
