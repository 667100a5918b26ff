/**
 * What a unit demands of machine metadata: the values of MachineMetadata.
 * Promises: every way fleet 1.0 understood a value means the same here; values it silently ignored are read or refused.
 */
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';
import { splitQuoted } from './words.ts';

/** The order comparisons work on numbers only. */
export type MetadataOperator = '=' | '!=' | '<' | '<=' | '>' | '>=';

/**
 * One requirement on machine metadata; a requirement holds when any of its alternatives does, a unit's requirements
 * must all hold. Only `=` makes alternatives (fleet 1.0: values of one key are "or"): with "or", two `!=` or the two
 * ends of a range would hold on every machine.
 */
export interface MetadataRequirement {
  readonly key: string;
  readonly alternatives: readonly { readonly operator: MetadataOperator; readonly value: string }[];
}

/**
 * Cuts the value of one MachineMetadata line into expressions. With quotes every word is one (`"a=b" "c=d"`). Without,
 * words that all have an operator, or all have none, are one each; a single operator means the whole line is one
 * expression, so that `location=new york` keeps fleet 1.0's meaning and `ram >= 1024` works. Fails when it could mean
 * several things.
 */
export function splitMetadata(line: string): Result<readonly string[]> {
  const words = splitQuoted(line, 'keep');
  if (!words.ok || /["']/.test(line)) return words;
  const withOperator = words.value.filter((word) => operatorForm.test(word)).length;
  if (withOperator === 0 || withOperator === words.value.length) return words;
  if (withOperator === 1) return success([line]);
  return failure('UNIT_OPTION_INVALID', 'it has several meanings; put each requirement in quotes, as in "a=b" "c=d"');
}

const operatorForm = /!=|<=|>=|[=<>]/;
const numberForm = /^[+-]?\d+(\.\d+)?$/;
const numericOperators: ReadonlySet<string> = new Set(['<', '<=', '>', '>=']);

/**
 * Reads one expression. A bare word means a key whose value is the same word, as a bare word in a machine's metadata
 * does.
 */
export function readRequirement(expression: string): Result<MetadataRequirement> {
  const operator = operatorForm.exec(expression);
  const wrong = (why: string): Result<never> => failure('UNIT_OPTION_INVALID', `${JSON.stringify(expression)} ${why}`);
  if (operator === null) {
    const word = expression.trim();
    return word === '' ? wrong('is empty') : success({ key: word, alternatives: [{ operator: '=', value: word }] });
  }
  const key = expression.slice(0, operator.index).trim();
  const value = expression.slice(operator.index + operator[0].length).trim();
  if (key === '' || value === '') return wrong('needs a key and a value, as in region=west');
  if (value.startsWith('=')) return wrong(`has no operator fleet knows; write ${key}=${value.slice(1).trim()}`);
  if (numericOperators.has(operator[0]) && !numberForm.test(value) && !value.includes('%')) {
    return wrong(`compares with ${JSON.stringify(value)}, which is not a number`);
  }
  return success({ key, alternatives: [{ operator: operator[0] as MetadataOperator, value }] });
}

/** Adds a requirement: `=` joins the alternatives that its key already has, all others stand for themselves. */
export function addRequirement(
  all: readonly MetadataRequirement[], added: MetadataRequirement,
): readonly MetadataRequirement[] {
  const isChoice = ({ alternatives }: MetadataRequirement): boolean =>
    alternatives.every(({ operator }) => operator === '=');
  const known = isChoice(added) ? all.find((each) => each.key === added.key && isChoice(each)) : undefined;
  if (known === undefined) return [...all, added];
  const joined = { key: known.key, alternatives: [...known.alternatives, ...added.alternatives] };
  return all.map((requirement) => (requirement === known ? joined : requirement));
}
