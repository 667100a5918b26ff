/** What a machine makes of a store that is not what it remembers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Schema, StoreAcceptance } from './cluster.ts';
import { doubtOf, isAccepted, noRegistration, rememberStore, spokenDoubt } from './doubt.ts';
import type { DoubtKind, KnownStore, StoreFacts } from './doubt.ts';

const known: KnownStore = { cluster: 'ours', revision: 100, registration: { revision: 40, text: 'mark' }, acceptedAtMs: 7, doubted: '', marked: false };
const doubting: KnownStore = { ...known, doubted: 'why', marked: true };
const schema = (cluster: string, version = 1): Schema => ({ version, cluster, createdAtMs: 0 });
const accepted = (atMs: number, ...of: readonly string[]): StoreAcceptance => ({ atMs, by: 'ann', of, reason: '' });
const right: StoreFacts = { revision: 100, schema: schema('ours'), unreadable: null, registration: { revision: 40, text: 'mark' }, acceptance: null };

describe('a store', () => {
  const cases: readonly (readonly [string, KnownStore | null, Partial<StoreFacts>, DoubtKind | null])[] = [
    ['that is as remembered', known, {}, null],
    ['that went on', known, { revision: 5_000, registration: { revision: 4_000, text: 'later' } }, null],
    ['of which nothing is remembered', null, { revision: 3, schema: schema('theirs'), registration: noRegistration }, null],
    ['that is empty where nothing is remembered', null, { revision: 0, schema: null, registration: noRegistration }, null],
    ['that is empty', known, { revision: 0, schema: null, registration: noRegistration }, 'wiped'],
    ['without the name of a cluster', known, { schema: null }, 'wiped'],
    ['that nobody has led yet', { ...known, cluster: '' }, { schema: null }, null],
    ['that gets its name', { ...known, cluster: '' }, {}, null],
    ['whose name an older fleet did not write', known, { schema: schema('') }, null],
    ['of another cluster', known, { revision: 5_000, schema: schema('theirs'), registration: { revision: 4_000, text: 'later' } }, 'foreign'],
    ['put back from an older copy', known, { revision: 99 }, 'older'],
    ['put back from an older copy, that has gone further since', known, { revision: 5_000, registration: { revision: 39, text: 'other' } }, 'older'],
    ['that does not know this machine', known, { revision: 5_000, registration: noRegistration }, 'older'],
    ['one layout ahead', known, { schema: schema('ours', 2) }, null],
    ['two layouts ahead', known, { schema: schema('ours', 3) }, 'newer'],
    ['two layouts ahead, met for the first time', null, { schema: schema('theirs', 3) }, 'newer'],
    ['whose layout cannot be read', null, { schema: null, unreadable: 'not JSON' }, 'newer'],
    ['that was accepted', known, { revision: 3, schema: schema('theirs'), registration: noRegistration, acceptance: accepted(8, 'theirs', 'ours') }, null],
    ['that was accepted and is empty', known, { revision: 3, schema: null, registration: noRegistration, acceptance: accepted(8, 'ours') }, null],
    ['that was accepted for others', known, { revision: 3, registration: noRegistration, acceptance: accepted(8, 'theirs') }, 'older'],
    ['that was accepted before', known, { revision: 3, registration: noRegistration, acceptance: accepted(7, 'ours') }, 'older'],
    ['that was accepted and is too new', known, { schema: schema('ours', 3), acceptance: accepted(8, 'ours') }, 'newer'],
    ['that was doubted and is back', doubting, { revision: 200 }, null],
    ['that was doubted and has not heard of this machine since', { ...doubting, marked: false }, { revision: 200 }, 'older'],
    ['that was doubted and has gone on', doubting, { revision: 200, registration: { revision: 150, text: 'other' } }, 'older'],
    ['that was doubted and accepted', doubting, { revision: 200, registration: { revision: 150, text: 'other' }, acceptance: accepted(8, 'ours') }, null],
  ];
  for (const [what, before, facts, kind] of cases) {
    test(`${what} is ${kind === null ? 'trusted' : `doubted: ${kind}`}`, () => {
      const doubt = doubtOf(before, { ...right, ...facts }, 1);
      assert.equal(doubt?.kind ?? null, kind);
      assert.ok(doubt === null || (doubt.why.length > 2 && !doubt.why.includes('\n')));
    });
  }

  test('is remembered as it is, and keeps its name until it has another', () => {
    assert.deepEqual(rememberStore(null, right), { ...known, acceptedAtMs: 0 });
    assert.equal(rememberStore(doubting, { ...right, schema: schema('') }).cluster, 'ours');
    const wiped = rememberStore(known, { ...right, revision: 3, schema: null, acceptance: accepted(9, 'ours') });
    assert.deepEqual(wiped, { cluster: '', revision: 3, registration: { revision: 40, text: 'mark' }, acceptedAtMs: 9, doubted: '', marked: false });
    assert.equal(isAccepted(wiped, accepted(9, 'ours')), false, 'one word is for one time');
  });

  test('is spoken of in the store only when it may be the machine\'s own', () => {
    const spoken = (kind: DoubtKind): unknown => spokenDoubt(known, { kind, why: 'why' });
    assert.deepEqual(spoken('wiped'), { cluster: 'ours', tokenBase: 107, why: 'why' });
    assert.deepEqual(spoken('older'), spoken('wiped'));
    assert.deepEqual([spoken('foreign'), spoken('newer'), spokenDoubt(known, null)], [null, null, null]);
  });
});
