/**
 * Releases in the cluster of the tests.
 * Promises: a release is done at once: every unit has the new text, or, when that has `/bin/false` in it, the old one again; with
 * --pause it waits for a resume first.
 */
import { templateOf } from '../core/unit-name.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { ReleaseAnswer, ReleaseDetails, ReleaseOrder, ReleaseRequest, ReleaseView } from '../protocol/releases.ts';
import type { ScaleAnswer, ScaleRequest } from '../protocol/v2.ts';
import { FakeRefusal } from './fake-cluster.ts';
import type { FakeCluster } from './fake-cluster.ts';

export class FakeReleases {
  readonly #cluster: FakeCluster;
  readonly #releases: Map<string, { readonly view: ReleaseView; readonly texts: ReadonlyMap<number, string> }> = new Map();

  constructor(cluster: FakeCluster) {
    this.#cluster = cluster;
  }

  list(): readonly ReleaseView[] {
    return [...this.#releases.values()].map(({ view }) => view);
  }

  details(name: string): ReleaseDetails {
    const { view } = this.#known(name);
    const units = this.#membersOf(name).flatMap((unit) =>
      [...(this.#cluster.statuses.get(unit)?.values() ?? [])].map(({ machine, address, active }) => ({
        name: unit, machine, address, generation: view.goal, active, health: 'none', ports: { http: 20_000 + view.goal },
      })),
    );
    return { ...view, units };
  }

  begin({ name, text, strategy = {}, by = '' }: ReleaseRequest, undoOf: number | null = null): ReleaseAnswer {
    const members = this.#membersOf(name);
    const before = this.#releases.get(name);
    const old = this.#cluster.units.get(name)?.text ?? this.#cluster.units.get(members[0] ?? '')?.text;
    if (old === undefined) throw new FakeRefusal(404, 'UNIT_NOT_FOUND', `unit ${name} does not exist; start it before it is released`);
    const target = (before?.view.target ?? 0) + 1;
    const origin = before?.view.goal ?? 0;
    const texts = new Map(before?.texts ?? [[0, old]]).set(target, text ?? old);
    const hash = (number: number): string => `${String(number).repeat(7)}a`;
    const generation = { number: target, hash: hash(target), atMs: 60_000 * target, by, undoOf, outcome: 'rolling' as const, why: '' };
    const first = { ...generation, number: 0, hash: hash(0), atMs: 0, by: '', undoOf: null, outcome: 'done' as const };
    const view: ReleaseView = {
      name, state: 'rolling', paused: false, why: '', inPlaceWhy: '', target, origin, goal: target, total: members.length, changed: 0,
      strategy: {
        way: name.includes('@.') ? 'surge' : 'in-place', batch: '1', pause: false, maxFailures: 0, minActiveMs: 5_000, healthTimeoutMs: 300_000,
        rollback: true, ...strategy,
      },
      generations: [...(before?.view.generations ?? [first]), generation], moves: [], failures: [], startedAtMs: 60_000, changedAtMs: 60_000, by,
    };
    const answer = this.#put(name, { view, texts });
    if (view.strategy.pause) this.#put(name, { view: { ...view, paused: true, why: 'paused after the first batch, 1 to go', changed: 1 }, texts });
    else this.#finish(name);
    return answer;
  }

  order(name: string, { action, to, by = '' }: ReleaseOrder): ReleaseAnswer {
    const { view, texts } = this.#known(name);
    if (action === 'undo') {
      const back = to ?? view.goal - 1;
      const text = texts.get(back);
      if (text === undefined) throw new FakeRefusal(404, 'GENERATION_NOT_FOUND', `${name} has no generation ${String(back)}; kept are 0`);
      return this.begin({ name, text, by }, back);
    }
    if (view.state !== 'rolling') throw new FakeRefusal(409, 'RELEASE_NOT_ACTIVE', `no release of ${name} is under way: ${view.why}`);
    if (action === 'pause') return this.#put(name, { view: { ...view, paused: true, why: `paused by ${by}` }, texts });
    const answer = this.#put(name, { view: { ...view, paused: false, why: '' }, texts });
    this.#finish(name);
    return answer;
  }

  scale({ name, count, templateText }: ScaleRequest): ScaleAnswer {
    const members = this.#membersOf(name);
    const destroyed = this.#cluster.destroy(members.slice(count)).destroyed;
    const names = Array.from({ length: Math.max(0, count - members.length) }, (_, index) => name.replace('@.', `@${members.length + index + 1}.`));
    const units = names.map((unit) => ({ name: unit, ...(templateText === undefined ? {} : { templateText }) }));
    const started = names.length === 0 ? [] : this.#cluster.apply({ units, desired: 'launched' }).units;
    return { revision: this.#cluster.revision, started, destroyed };
  }

  #finish(name: string): void {
    const { view, texts } = this.#known(name);
    const text = texts.get(view.target) ?? '';
    const isBad = text.includes('/bin/false');
    if (!isBad) this.#replace(name, text);
    const why = `${name.replace('@.', '@2.')}: it failed: result exit-code, exit status 1`;
    const outcome = isBad ? ('failed' as const) : ('done' as const);
    const generations = view.generations.map((generation) =>
      generation.number === view.target ? { ...generation, outcome, why: isBad ? why : '' } : generation,
    );
    const end: ReleaseView = isBad
      ? { ...view, state: 'rolled-back', goal: view.origin, why: `going back to generation ${view.origin}: ${why}`, generations }
      : { ...view, state: 'done', changed: view.total, why: `generation ${view.target} is everywhere`, generations };
    this.#put(name, { view: end, texts });
  }

  #replace(name: string, text: string): void {
    for (const unit of new Set([name, ...this.#membersOf(name)])) {
      const desired = this.#cluster.units.get(unit)?.view.desired;
      if (desired !== undefined) this.#cluster.apply({ units: [{ name: unit, text }], desired, replace: true });
    }
  }

  #membersOf(name: string): readonly string[] {
    return [...this.#cluster.units.keys()]
      .filter((unit) => (name.includes('@.') ? templateOf(unit as UnitName) === name : unit === name))
      .sort();
  }

  #known(name: string): { readonly view: ReleaseView; readonly texts: ReadonlyMap<number, string> } {
    const known = this.#releases.get(name);
    if (known === undefined) throw new FakeRefusal(404, 'RELEASE_NOT_FOUND', `there was no release of ${name}`);
    return known;
  }

  #put(name: string, release: { readonly view: ReleaseView; readonly texts: ReadonlyMap<number, string> }): ReleaseAnswer {
    this.#releases.set(name, release);
    this.#cluster.revision += 1;
    const { view } = release;
    for (const listener of this.#cluster.listeners) listener(this.#cluster.revision, { kind: 'release', name, release: view });
    return { revision: this.#cluster.revision, release: view };
  }
}
