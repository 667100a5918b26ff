/**
 * A cluster that lives in one map: what stands behind the fake API of the tests.
 * Promises: units do what their file says in a few words: `/bin/false` fails, `Type=oneshot` runs to its end,
 * MachineMetadata=az=x fits nowhere, Global=true goes everywhere, everything else runs; every change has a revision and
 * is told to listeners.
 */
import { lastValue, parseUnitFile, printUnitFile } from '../core/unit-file.ts';
import { hashUnitFile } from '../core/unit-hash.ts';
import { templateOf } from '../core/unit-name.ts';
import type { PoolView, PortView } from '../protocol/ports.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { AbsentMachineView, HoldView, RebalanceView } from '../protocol/machines.ts';
import type {
  AppliedUnit,
  ApplyAnswer,
  ApplyRequest,
  ApplyUnit,
  AssignmentView,
  DestroyAnswer,
  EventView,
  Explanation,
  ResetFailedAnswer,
  ResetUnit,
  HistoryEventView,
  MachineView,
  ServiceView,
  RestoreEntriesRequest,
  RestoreRequest,
  RestoreStep,
  StatusReport,
  StatusView,
  UnitView,
} from '../protocol/v2.ts';

/** A refusal with the code of core/failure.ts. */
export class FakeRefusal extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

interface FakeUnit {
  view: UnitView;
  text: string;
}

function machine(id: string, address: string): MachineView {
  return {
    id,
    address,
    hostname: `host-${id.slice(0, 2)}`,
    metadata: { region: 'us-west' },
    version: '2.0.0',
    runner: 'systemd',
    store: 'etcd',
    units: 0,
    leader: false,
    startedAtMs: 0,
    state: 'up',
    reason: '',
    leaving: 0,
    staying: 0,
  };
}

/** The two machines of every fake cluster. */
export const fakeMachines: readonly MachineView[] = [
  machine('2c7d7478ba9f8197b5b7a551442f19f7', '172.18.0.3'),
  machine('99f4004d61afe901b47c4cb4e1f2e0cd', '172.18.0.2'),
];

const rank = { inactive: 0, loaded: 1, launched: 2 } as const;

export class FakeCluster {
  revision = 1;
  machines: MachineView[] = [...fakeMachines];
  readonly absent: AbsentMachineView[] = [];
  holds: HoldView[] = [];
  rebalance: RebalanceView = { revision: 1, running: null, moves: [] };
  troubles: string[] = [];
  readonly units: Map<string, FakeUnit> = new Map();
  readonly assignments: Map<string, Map<string, AssignmentView>> = new Map();
  readonly statuses: Map<string, Map<string, StatusView>> = new Map();
  /** The text of its backup, and what was restored into it. */
  backup = '';
  readonly restores: RestoreRequest[] = [];
  readonly restored: RestoreEntriesRequest['entries'][number][] = [];
  refusesEntries = false;
  leader: string | null = null;
  /** What history tells, and streams that ask for it. */
  readonly history: HistoryEventView[] = [];
  readonly pools: Map<string, PoolView> = new Map();
  readonly ports: PortView[] = [
    {
      unit: 'apps@1.service', machine: '2c7d7478ba9f8197b5b7a551442f19f7', address: '172.18.0.3', name: 'http', port: 20_001, low: 20_001,
      high: 20_010, pool: 'apps.war', scope: 'machine', sinceMs: 1_700_000_000_000, why: '',
    },
  ];
  readonly listeners: Set<(revision: number, event: EventView) => void> = new Set();
  services: readonly ServiceView[] = [];

  /** Puts a service into the directory, or takes one out that has no instances. */
  putService(service: ServiceView): void {
    const { name, portName, instances } = service;
    const others = this.services.filter((each) => each.name !== name || each.portName !== portName);
    this.services = instances.length === 0 ? others : [...others, service];
    this.revision += 1;
    this.#tell({ kind: 'service', name, portName, service: instances.length === 0 ? null : service });
  }

  /** Something happens: it is remembered, and told. */
  happen(event: HistoryEventView): void {
    this.revision += 1;
    this.history.push(event);
    this.#tell({ kind: 'history', name: event.unit, event });
  }

  /** A step of a restore: "" begins, "entries", "finish". */
  restore(step: string, body: RestoreRequest | RestoreEntriesRequest): RestoreStep {
    this.revision += 1;
    if (step === '') this.restores.push(body as RestoreRequest);
    if (step === 'entries' && this.refusesEntries) throw new FakeRefusal(503, 'STORE_UNAVAILABLE', 'no etcd');
    if (step === 'entries') this.restored.push(...(body as RestoreEntriesRequest).entries);
    return { revision: this.revision };
  }

  apply(request: ApplyRequest): ApplyAnswer {
    this.revision += 1;
    return { units: request.units.map((unit) => this.#applyUnit(request, unit)), revision: this.revision };
  }

  destroy(names: readonly string[]): DestroyAnswer {
    this.revision += 1;
    const destroyed = names.filter((name) => this.units.delete(name));
    for (const name of destroyed) {
      this.#tell({ kind: 'unit', name, unit: null });
      this.#leave(name);
    }
    return { revision: this.revision, destroyed, unknown: names.filter((name) => !destroyed.includes(name)) };
  }

  /** The present state as a stream begins with it. */
  present(): readonly EventView[] {
    const events: EventView[] = [...this.units.values()].map(({ view }) => ({
      kind: 'unit',
      name: view.name,
      unit: view,
      present: true,
    }));
    for (const [name, machines] of this.assignments) {
      for (const [id, assignment] of machines)
        events.push({ kind: 'assignment', name, machine: id, assignment, present: true });
    }
    for (const [name, machines] of this.statuses) {
      for (const [id, status] of machines) events.push({ kind: 'status', name, machine: id, status, present: true });
    }
    for (const service of this.services)
      events.push({ kind: 'service', name: service.name, portName: service.portName, service, present: true });
    for (const view of this.machines) events.push({ kind: 'machine', machine: view.id, view, present: true });
    return events;
  }

  explain(name: string): Explanation | null {
    if (!this.units.has(name)) return null;
    const machines = this.machines.map(({ id, address }) => ({
      id,
      address,
      verdict: 'refused' as const,
      why: 'its metadata has no az=x',
    }));
    return { name, summary: 'it needs metadata az=x, which no machine has', state: 'unplaced', machines };
  }

  status(name: string): StatusReport | null {
    if (!this.units.has(name)) return null;
    const blocks = [...(this.statuses.get(name) ?? [])].map(([id, status]) => ({
      machine: id,
      address: status.address,
      exitStatus: status.active === 'active' ? 0 : 3,
      text: `* ${name}\n     Loaded: ${status.load}\n     Active: ${status.active} (${status.sub})\n`,
    }));
    if (blocks.length === 0)
      throw new FakeRefusal(409, 'UNIT_NOT_LOADED', `unit ${name} is on no machine; explain tells why`);
    return { name, blocks };
  }

  #applyUnit(request: ApplyRequest, wish: ApplyUnit): AppliedUnit {
    const before = this.units.get(wish.name);
    const template = templateOf(wish.name as UnitName);
    const given = wish.text === undefined ? null : canonical(wish.text);
    const stored = before?.text ?? (template === null ? undefined : this.units.get(template)?.text);
    const text =
      before === undefined
        ? (given ?? stored ?? (wish.templateText === undefined ? undefined : canonical(wish.templateText)))
        : before.text;
    if (text === undefined) {
      if (template === null)
        throw new FakeRefusal(404, 'UNIT_NOT_FOUND', `unable to find Unit(${wish.name}) in Registry or on filesystem`);
      throw new FakeRefusal(
        404,
        'TEMPLATE_NOT_FOUND',
        `failed getting Unit(${wish.name}) from template: ` +
          `unable to find template Unit(${template}) in Registry or on filesystem`,
      );
    }
    if (wish.name.includes('@.') && rank[request.desired ?? 'inactive'] > 0) {
      throw new FakeRefusal(400, 'UNIT_IS_TEMPLATE', `cannot activate template "${wish.name}"`);
    }
    const isOther = before !== undefined && given !== null && given !== before.text;
    const mayReplace =
      request.replace === true && rank[before?.view.desired ?? 'inactive'] <= rank[request.desired ?? 'inactive'];
    const isRefused = isOther && request.replace === true && !mayReplace;
    const newText = isOther && mayReplace ? given : text;
    const desired = isRefused ? before.view.desired : (request.desired ?? before?.view.desired ?? 'inactive');
    const restart = (before?.view.restart ?? 0) + (request.restart === true && desired === 'launched' ? 1 : 0);
    const hash = hashOf(newText);
    const isChanged =
      before === undefined ||
      before.view.hash !== hash ||
      before.view.desired !== desired ||
      before.view.restart !== restart;
    const generation = (before?.view.generation ?? 0) + (isChanged ? 1 : 0);
    const global = newText.includes('Global=true');
    const file = parse(newText);
    const view: UnitView = {
      name: wish.name,
      hash,
      desired,
      current: global ? null : desired,
      global,
      template: wish.name.includes('@.'),
      description: lastValue(file, 'Unit', 'Description') ?? '',
      generation,
      restart,
      reset: before?.view.reset ?? 0,
      machines: before?.view.machines ?? [],
      changedAtMs: 0,
    };
    if (request.dryRun !== true) {
      this.units.set(wish.name, { view, text: newText });
      if (isChanged) this.#place(wish.name);
    }
    const content = before === undefined ? 'created' : isOther ? (mayReplace ? 'replaced' : 'differs') : 'same';
    return {
      name: wish.name,
      content,
      before: before?.view.desired ?? null,
      desired,
      global,
      generation,
      restart,
      hash,
      warnings: [],
    };
  }

  resetFailed(names: readonly string[]): ResetFailedAnswer {
    for (const name of names) if (!this.units.has(name)) throw new FakeRefusal(404, 'UNIT_NOT_FOUND', `${name} does not exist`);
    this.revision += 1;
    const units = names.flatMap((name) => {
      const unit = this.units.get(name);
      return unit === undefined ? [] : [this.#reset(unit)];
    });
    return { revision: this.revision, units };
  }

  #reset(unit: FakeUnit): ResetUnit {
    const { name } = unit.view;
    unit.view = { ...unit.view, reset: unit.view.reset + 1, generation: unit.view.generation + 1 };
    const { reset, generation } = unit.view;
    this.#tell({ kind: 'unit', name, unit: unit.view });
    for (const [machine, before] of this.assignments.get(name) ?? []) {
      const assignment = { ...before, reset };
      inner(this.assignments, name).set(machine, assignment);
      this.#tell({ kind: 'assignment', name, machine, assignment });
    }
    for (const [machine, before] of this.statuses.get(name) ?? []) {
      const forgotten = before.active === 'failed' ? { active: 'inactive', sub: 'dead', result: 'success', exitStatus: null } : {};
      const status = { ...before, ...forgotten, reset };
      inner(this.statuses, name).set(machine, status);
      this.#tell({ kind: 'status', name, machine, status });
    }
    return { name, generation, reset };
  }

  /** What engine and agents do: choose machines, carry out, report. */
  #place(name: string): void {
    const unit = this.units.get(name);
    if (unit === undefined) return;
    const { view, text } = unit;
    if (view.desired === 'inactive') this.#leave(name);
    else if (!text.includes('MachineMetadata=az=x')) {
      const held = [...(this.assignments.get(name)?.keys() ?? [])];
      const chosen = view.global ? this.machines.map(({ id }) => id) : held.length > 0 ? held : [this.#leastLoaded()];
      for (const id of chosen) this.#run(unit, id);
    }
    const machines = [...(this.assignments.get(name)?.keys() ?? [])];
    unit.view = { ...view, machines, current: view.global ? null : machines.length === 0 ? 'inactive' : view.desired };
    this.#tell({ kind: 'unit', name, unit: unit.view });
  }

  #run({ view, text }: FakeUnit, id: string): void {
    const { name, hash, desired, restart, reset } = view;
    if (desired === 'inactive') return;
    const address = this.machines.find((each) => each.id === id)?.address ?? '';
    const assignment: AssignmentView = { desired, hash, restart, reset, address, why: 'it has the fewest units' };
    const seen = desired === 'loaded' ? (['inactive', 'dead', 'success', null] as const) : outcomeOf(text);
    const [active, sub, result, exitStatus] = seen;
    const status: StatusView = {
      name,
      machine: id,
      address,
      hash,
      load: 'loaded',
      active,
      sub,
      sinceMs: 0,
      result,
      exitStatus,
      succeeded: active === 'inactive' && desired === 'launched',
      restarts: 0,
      restart: desired === 'loaded' ? -1 : restart,
      reset,
      mainPid: 0,
      problem: '',
      health: 'none',
      healthWhy: '',
      draining: false,
      portsInDoubt: false,
      ports: {},
    };
    inner(this.assignments, name).set(id, assignment);
    inner(this.statuses, name).set(id, status);
    this.#tell({ kind: 'assignment', name, machine: id, assignment });
    this.#tell({ kind: 'status', name, machine: id, status });
  }

  #leave(name: string): void {
    for (const id of this.assignments.get(name)?.keys() ?? [])
      this.#tell({ kind: 'assignment', name, machine: id, assignment: null });
    for (const id of this.statuses.get(name)?.keys() ?? [])
      this.#tell({ kind: 'status', name, machine: id, status: null });
    this.assignments.delete(name);
    this.statuses.delete(name);
  }

  #leastLoaded(): string {
    const load = (id: string): number => [...this.assignments.values()].filter((machines) => machines.has(id)).length;
    return this.machines.map(({ id }) => id).sort((left, right) => load(left) - load(right))[0] ?? '';
  }

  #tell(event: EventView): void {
    for (const listener of this.listeners) listener(this.revision, event);
  }
}

function outcomeOf(text: string): readonly [string, string, string, number | null] {
  if (text.includes('/bin/false')) return ['failed', 'failed', 'exit-code', 1];
  return text.includes('Type=oneshot') ? ['inactive', 'dead', 'success', 0] : ['active', 'running', 'success', null];
}

function inner<Value>(map: Map<string, Map<string, Value>>, name: string): Map<string, Value> {
  const found = map.get(name) ?? new Map<string, Value>();
  map.set(name, found);
  return found;
}

function parse(text: string): Parameters<typeof printUnitFile>[0] {
  const file = parseUnitFile(text);
  if (!file.ok) throw new FakeRefusal(400, file.failure.code, file.failure.message);
  return file.value;
}

function canonical(text: string): string {
  return printUnitFile(parse(text));
}

function hashOf(text: string): string {
  return hashUnitFile(parse(text));
}
