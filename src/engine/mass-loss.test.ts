/** When units wait for machines that vanished, instead of being moved. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { emptySnapshot } from '../core/cluster.ts';
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { Hold, HoldOrder } from '../core/hold.ts';
import { noOverride } from '../core/machine.ts';
import type { Machine, MachineId, MachineOverride, RosterEntry } from '../core/machine.ts';
import { createMassLoss } from './mass-loss.ts';
import type { Judgement, MassLoss, Now } from './mass-loss.ts';

const times = { windowMs: 6_000, holdMs: 120_000 };
/** A third of the window and the lag of the store. */
const graceMs = 3_000;
/** The time of day is far from the time since boot, so that mixing them up would show. */
const dayMs = 1_000_000;
const at = (uptimeMs: number): Now => ({ uptimeMs, nowMs: dayMs + uptimeMs });

const here = (...ids: readonly string[]): Pick<ClusterSnapshot, 'machines'> => ({
  machines: new Map(ids.map((id) => [id as MachineId, { bootId: `boot of ${id}`, left: false, ttlMs: times.windowMs } as Machine])),
});
const entry = (id: string, changes: Partial<RosterEntry> = {}): [MachineId, RosterEntry] => [id as MachineId, {
  firstSeenMs: 0, lastSeenMs: 0, bootId: `boot of ${id}`, publicIp: '', hostname: id, goneSinceMs: null, left: false, ...changes,
}];
const known = (...entries: readonly [MachineId, RosterEntry][]): Pick<ClusterSnapshot, 'roster'> => ({ roster: new Map(entries) });
const all = known(entry('a'), entry('b'), entry('c'), entry('d'), entry('e'));

/** An engine, and the store that does what it says. */
function engine(changes: Partial<typeof times> = {}): {
  readonly loss: MassLoss;
  see(cluster: Partial<ClusterSnapshot>, uptimeMs: number): Judgement;
  hold(): Hold | null;
} {
  const loss = createMassLoss({ ...times, ...changes });
  let hold: Hold | null = null;
  return {
    loss,
    see(cluster, uptimeMs) {
      const judgement = loss.judge({ ...emptySnapshot, ...all, hold, ...cluster }, at(uptimeMs));
      hold = judgement.hold;
      loss.look({ ...emptySnapshot, ...all, hold, ...cluster }, at(uptimeMs));
      return judgement;
    },
    hold: () => hold,
  };
}

describe('a mass loss', () => {
  test('holds the units of all that vanished until all of them are back', () => {
    const one = engine();
    one.see(here('a', 'b', 'c', 'd', 'e'), 0);
    assert.equal(one.see(here('a', 'b', 'c'), 1_000).hold, null);
    assert.deepEqual(one.see(here('a', 'b'), 2_000).hold, {
      sinceMs: dayMs + 2_000, holdMs: 120_000, missing: ['c', 'd', 'e'], why: '3 of 5 machines vanished within 6 s',
    });
    assert.deepEqual(one.see(here('a', 'b', 'c', 'd'), 60_000).hold?.missing, ['e']);
    assert.equal(one.see(here('a', 'b', 'c', 'd', 'e'), 61_000).overWhy, 'all machines are back, or forgotten');
    assert.equal(one.see(here('a', 'b', 'c', 'd', 'e'), 62_000).hold, null);
  });

  describe('is told from a single loss by the renewals of the others', () => {
    const vanishing = (loss: readonly string[], stay: readonly string[]): MassLoss => {
      const one = engine();
      one.see(here(...stay, ...loss), 0);
      one.see(here(...stay), 1_000);
      return one.loss;
    };
    const ages = (...known: readonly [string, number][]): ReadonlyMap<MachineId, number> => new Map(known as readonly [MachineId, number][]);
    /** A lease of 6 s that ended was last renewed 6 s ago, and its machine cut off at most 2 s later, with a second to spare. */
    const rows: readonly (readonly [what: string, stay: readonly string[], heard: ReadonlyMap<MachineId, number>, waits: boolean])[] = [
      ['all others have renewed since', ['a', 'b'], ages(['a', 100], ['b', 2_900]), false],
      ['one of two may have been cut off with it', ['a', 'b'], ages(['a', 100], ['b', 3_000]), true],
      ['of one of two nothing is known', ['a', 'b'], ages(['a', 100]), true],
      ['half of all live for sure', ['a', 'b', 'c'], ages(['a', 0], ['b', 0], ['c', 6_000]), false],
      ['nothing is known', ['a', 'b'], ages(), true],
    ];
    for (const [what, stay, heard, waits] of rows) {
      test(`${what}: its units ${waits ? 'wait' : 'move at once'}`, () => {
        const loss = vanishing(['z'], stay);
        assert.deepEqual(loss.justVanished(1_000), ['z']);
        loss.hearRenewals(['z' as MachineId], heard);
        assert.deepEqual(loss.justVanished(1_000), waits ? ['z'] : []);
        assert.equal(loss.nextMs(1_000), waits ? 500 : null);
      });
    }

    test('but a machine that nobody saw go waits for its time', () => {
      const one = engine();
      one.loss.takeOver({ ...emptySnapshot, ...here('a', 'b'), ...known(entry('a'), entry('b'), entry('c')) }, at(1_000));
      one.loss.hearRenewals(['c' as MachineId], ages(['a', 0], ['b', 0]));
      assert.deepEqual(one.loss.justVanished(1_000), ['c']);
    });

    test('but not of a machine that vanished while the store was asked', () => {
      const loss = vanishing(['y', 'z'], ['a', 'b', 'c']);
      loss.hearRenewals(['y' as MachineId], ages(['a', 0], ['b', 0], ['c', 0]));
      assert.deepEqual(loss.justVanished(1_000), ['z']);
    });

    test('and what is known to be single still counts when more vanish', () => {
      const one = engine();
      one.see(here('a', 'b', 'c', 'd', 'e'), 0);
      one.see(here('a', 'b', 'c', 'd'), 1_000);
      one.loss.hearRenewals(['e' as MachineId], ages(['a', 0], ['b', 0], ['c', 0], ['d', 0]));
      assert.deepEqual(one.see(here('a', 'b'), 2_000).hold?.missing, ['c', 'd', 'e']);
    });
  });

  test('is told from single losses before the first unit moves', () => {
    const one = engine();
    one.see(here('a', 'b', 'c', 'd', 'e'), 0);
    one.see(here('a', 'b', 'c', 'd'), 1_000);
    assert.deepEqual(one.loss.justVanished(1_000 + graceMs - 1), ['e']);
    assert.equal(one.loss.nextMs(1_000 + graceMs - 100), 100);
    assert.deepEqual(one.loss.justVanished(1_000 + graceMs), []);
    assert.equal(one.loss.nextMs(1_000 + graceMs), null);
  });

  test('is one also when it is judged later than the last of them vanished, by an engine that leads by then', () => {
    const one = engine();
    const look = (cluster: Partial<ClusterSnapshot>, uptimeMs: number): void => one.loss.look({ ...emptySnapshot, ...all, ...cluster }, at(uptimeMs));
    look(here('a', 'b', 'c'), 0);
    look(here('a', 'b'), 1_000);
    look(here('a'), 1_000 + times.windowMs);
    assert.deepEqual(one.see(here('a'), 1_001 + times.windowMs).hold?.missing, ['b', 'c']);
  });

  test('is none any more when nobody had to hold anything for the time of a hold', () => {
    const one = engine();
    for (const [uptimeMs, ids] of [[0, ['a', 'b', 'c']], [1_000, ['a']]] as const) one.loss.look({ ...emptySnapshot, ...all, ...here(...ids) }, at(uptimeMs));
    assert.equal(one.see(here('a'), 1_001 + times.holdMs).hold, null);
  });

  test('is given up after the time of a hold, and is not the beginning of the next one', () => {
    const one = engine();
    one.see(here('a', 'b', 'c'), 0);
    one.see(here('a'), 1_000);
    assert.equal(one.loss.nextMs(1_000 + graceMs), times.holdMs - graceMs);
    assert.equal(one.see(here('a'), 1_000 + times.holdMs - 1).overWhy, null);
    assert.equal(one.see(here('a'), 1_000 + times.holdMs).overWhy, 'its time is over');
    assert.equal(one.see(here('a'), 1_001 + times.holdMs).hold, null);
    assert.deepEqual(one.loss.justVanished(1_001 + times.holdMs), []);
  });

  test('holds for ever when it is to, until a person ends this very hold', () => {
    const one = engine({ holdMs: Infinity });
    one.see(here('a', 'b', 'c'), 0);
    one.see(here('a'), 1_000);
    assert.equal(one.hold()?.holdMs, null);
    assert.equal(one.see(here('a'), 1e9).overWhy, null);
    const release = (of: number): Partial<ClusterSnapshot> => {
      const holdOrder: HoldOrder = { action: 'release', atMs: 0, untilMs: null, of, reason: 'the rack burned down', by: 'ann' };
      return { ...here('a'), holdOrder };
    };
    assert.equal(one.see(release(1), 1e9).overWhy, null, 'it ends another hold');
    assert.equal(one.see(release(dayMs + 1_000), 1e9).overWhy, 'ann ended it (the rack burned down)');
    assert.equal(one.see(release(dayMs + 1_000), 1e9 + 1).hold, null);
  });

  test('takes in machines that vanish while it is held, and lets go of forgotten ones', () => {
    const one = engine();
    one.see(here('a', 'b', 'c', 'd'), 0);
    one.see(here('a'), 1_000);
    assert.deepEqual(one.see(here(), 50_000).hold?.missing, ['a', 'b', 'c', 'd']);
    const override: MachineOverride = { ...noOverride, forget: 7 };
    const forgotten = {
      overrides: new Map([['b' as MachineId, override]]), ...known(entry('a'), entry('b', { goneSinceMs: 7 }), entry('c'), entry('d')),
    };
    assert.deepEqual(one.see({ ...here('a'), ...forgotten }, 51_000).hold?.missing, ['c', 'd']);
  });

  test('counts no machine that says it leaves', () => {
    const one = engine();
    const leaving = (id: string): [MachineId, Machine] => [id as MachineId, { bootId: '', left: true } as Machine];
    one.see(here('a', 'b', 'c', 'd'), 0);
    one.see({ machines: new Map([...here('a', 'b').machines, leaving('c'), leaving('d')]) }, 1_000);
    one.see({ machines: new Map([...here('a').machines, leaving('b')]) }, 2_000);
    assert.equal(one.see(here('a'), 3_000).hold, null);
    assert.deepEqual(one.loss.justVanished(3_000), []);
  });

  test('is not looked for with mass_loss_hold=0, and no unit waits', () => {
    const one = engine({ holdMs: 0 });
    one.see(here('a', 'b', 'c'), 0);
    assert.equal(one.see(here('a'), 1_000).hold, null);
    assert.deepEqual(one.loss.justVanished(1_000), []);
  });
});

const ordinary: readonly { readonly name: string; readonly looks: readonly (readonly [number, readonly string[]])[] }[] = [
  { name: 'half of the machines', looks: [[0, ['a', 'b', 'c', 'd']], [1_000, ['a', 'b']]] },
  { name: 'one of two machines, and then the other', looks: [[0, ['a', 'b']], [1_000, ['a']], [2_000, []]] },
  { name: 'one machine after the other, each long after the last', looks: [[0, ['a', 'b', 'c']], [7_000, ['a', 'b']], [14_000, ['a']]] },
];
for (const { name, looks } of ordinary) {
  test(`${name} may vanish and nothing is held`, () => {
    const one = engine();
    for (const [uptimeMs, ids] of looks) assert.equal(one.see(here(...ids), uptimeMs).hold, null);
  });
}

describe('an engine that begins to lead', () => {
  const hold: Hold = { sinceMs: dayMs - 50_000, holdMs: 120_000, missing: ['b', 'c'] as MachineId[], why: 'trouble' };

  test('goes on with the hold of the one before, for the rest of its time', () => {
    const watching = engine();
    watching.see(here('a', 'b', 'c'), 0);
    watching.see({ ...here('a'), hold }, 1_000);
    assert.equal(watching.loss.nextMs(1_000 + graceMs), 120_000 - graceMs, 'by its own clock, because it was there');
    const fresh = engine();
    fresh.loss.takeOver({ ...emptySnapshot, ...all, ...here('a'), hold }, at(0));
    assert.equal(fresh.loss.nextMs(graceMs), 70_000 - graceMs, 'by the time of day, because it was not');
    const skewed = engine();
    skewed.loss.takeOver({ ...emptySnapshot, ...here('a'), hold: { ...hold, sinceMs: 9 * dayMs } }, at(0));
    assert.equal(skewed.loss.nextMs(0), 120_000, 'a clock that is behind makes no hold longer');
  });

  test('counts machines that nobody was there to see go, or that went just before', () => {
    const one = engine();
    const gone = known(entry('a'), entry('b'), entry('c', { goneSinceMs: dayMs - 5_000 }), entry('d', { goneSinceMs: 5 }), entry('e', { left: true }));
    one.loss.takeOver({ ...emptySnapshot, ...gone, ...here('a') }, at(0));
    assert.deepEqual(one.see({ ...gone, ...here('a') }, 0).hold?.missing, ['b', 'c']);
  });

  test('waits for a site that starts, for two minutes at most', () => {
    const off = known(...['a', 'b', 'c', 'd'].map((id) => entry(id, { goneSinceMs: 5, left: true, bootId: 'before' })));
    for (const holdMs of [Infinity, 60_000]) {
      const one = engine({ holdMs });
      one.loss.takeOver({ ...emptySnapshot, ...off, ...here('c') }, at(0));
      const begun = one.see({ ...off, ...here('c') }, 0).hold;
      assert.equal(begun?.why, 'the site starts, and 1 of 4 known machines are there');
      assert.deepEqual(begun.missing, ['a', 'b', 'd']);
      assert.equal(begun.holdMs, Math.min(holdMs, 120_000));
    }
  });

  test('waits for nobody when a machine goes on from before, or most are there', () => {
    const gone = ['a', 'b', 'c', 'd'].map((id) => entry(id, { goneSinceMs: 5, left: true }));
    for (const [roster, machines] of [
      [known(...gone, entry('e')), here('e')],
      [known(...gone), here('a', 'b')],
      [known(), here('a')],
    ] as const) {
      const one = engine();
      one.loss.takeOver({ ...emptySnapshot, ...roster, ...machines }, at(0));
      assert.equal(one.see({ ...roster, ...machines }, 0).hold, null);
    }
  });
});
