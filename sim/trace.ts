/**
 * What happened in a run, in words: one line for each thing that somebody who looks for a mistake wants to see.
 * Promises: the same run gives the same lines, byte for byte; writing them changes nothing.
 */
import { decodeAssignment, decodeUnitRecord, decodeUnitStatus } from '../src/store/records.ts';
import type { KeyMeaning } from '../src/store/keys.ts';
import type { KeyChange, Moment } from './chronicle.ts';
import { seconds } from './machine.ts';
import type { RunnerAct } from './runner-wire.ts';
import type { Acknowledged, UnitFacts, Witness } from './witness.ts';

/** A witness that writes down what it is told. */
export function createTrace(write: (line: string) => void, nowMs: () => number): Witness {
  const line = (text: string): void => write(`${seconds(nowMs())} ${text}`);
  return {
    event: (text) => line(`** ${text}`),
    moment: (moment) => line(sayMoment(moment)),
    acting: (machine, process, act) => line(`${machine.id} does ${sayAct(act)} for ${process.name}`),
    turned: ({ machine, name, before, after }) =>
      line(`${machine.id} ${name}: ${sayFacts(before)} -> ${sayFacts(after)}`),
    acknowledged: ({ process, revision, claims }) =>
      line(`** ${process.name} answers done at revision ${revision}: ${sayClaims(claims)}`),
    bug: (process, error) =>
      line(`** a part of ${process.name} failed: ${error instanceof Error ? error.stack : String(error)}`),
  };
}

const sayClaims = (claims: Acknowledged['claims']): string =>
  claims.map(({ key, says }) => `${key} ${says}`).join(', ');

function sayMoment({ revision, author, changes }: Moment): string {
  const who = author === null ? 'end of a lease' : `${author.part} of ${author.process.name}`;
  return `r${String(revision)} ${who}: ${changes.map(sayChange).join('; ')}`;
}

function sayChange({ key, meaning, after: { value } }: KeyChange): string {
  const say = meaning === null || value === null ? undefined : sayValue[meaning.kind];
  return value === null ? `delete ${key}` : say === undefined ? key : `${key} ${say(value)}`;
}

/** What a value says that helps to find a mistake; of other kinds the key is enough. */
const sayValue: Readonly<Partial<Record<KeyMeaning['kind'], (value: string) => string>>> = {
  unit(value) {
    const read = decodeUnitRecord(value);
    return read.ok ? `${read.value.desired} ${read.value.hash.slice(0, 7)} restart ${String(read.value.restart)}` : '';
  },
  assignment(value) {
    const read = decodeAssignment(value);
    return read.ok
      ? `${read.value.desired} ${read.value.hash.slice(0, 7)} restart ${String(read.value.restart)} (${read.value.why})`
      : '';
  },
  status(value) {
    const read = decodeUnitStatus(value);
    return read.ok
      ? `${read.value.active} pid ${read.value.mainPid} restart ${read.value.restart} ${read.value.problem}`
      : '';
  },
  leader: (value) => value,
};

function sayAct(act: RunnerAct): string {
  switch (act.verb) {
    case 'load':
      return `load ${act.units.map(({ name, hash }) => `${name} ${hash.slice(0, 7)}`).join(', ')}`;
    case 'start':
    case 'restart':
      return `${act.verb} ${act.requests.map(({ name, restart }) => `${name} (${String(restart)})`).join(', ')}`;
    case 'reset':
      return `reset ${act.requests.map(({ name, reset }) => `${name} (${String(reset)})`).join(', ')}`;
    case 'stop':
    case 'unload':
      return `${act.verb} ${act.names.join(', ')}`;
    case 'reload':
      return 'reload';
  }
}

const sayFacts = (facts: UnitFacts | null): string =>
  facts === null ? 'gone' : `${facts.active} pid ${String(facts.mainPid)}`;
