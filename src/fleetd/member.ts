/**
 * One machine of a fleetd: its runner and its agent.
 * Promises: run() ends only after the agent has ended; the runner serves until then, because the agent may have units to stop.
 */
import { join } from 'node:path';
import { runAgent } from '../agent/agent.ts';
import { createAgentReport, type AgentReport } from '../agent/report.ts';
import type { MachineFacts } from '../core/machine.ts';
import type { FileHash } from '../core/unit.ts';
import { readCapacity } from '../host/facts.ts';
import { activityOf } from '../host/process-activity.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { version } from '../lib/version.ts';
import { createBell } from '../lib/wakeups.ts';
import type { UnitInspector, UnitRunner } from '../runner/runner.ts';
import { openSupervisorRunner } from '../runner/supervisor/supervisor-runner.ts';
import { openSystemdRunner } from '../runner/systemd/systemd-runner.ts';
import { probe } from '../prober/probe.ts';
import type { Store } from '../store/store.ts';
import type { StoreTrust } from '../store/trust.ts';
import { openMemory } from './memory.ts';
import { portFactsOf } from './port-facts.ts';
import type { FleetdPlan, LiveSettings, MemberPlan } from './plan.ts';

/** How long units may take to stop when fleetd leaves: below TimeoutStopSec= of fleet.service. */
const stopTimeoutMs = 80_000;

export interface MemberNeeds {
  readonly plan: FleetdPlan;
  readonly store: Store;
  readonly trust: StoreTrust;
  readonly storeKind: 'etcd' | 'embedded';
  /** What this process knows of a unit file from the store. */
  readonly knownText: (hash: FileHash) => string | undefined;
  /** Where this process's peer port listens; null without one. */
  readonly peer: { readonly port: number; readonly fingerprint: string } | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Member {
  readonly plan: MemberPlan;
  readonly inspector: UnitInspector;
  readonly report: AgentReport;
  /** The machine's record follows the settings at once; units that fit it no more are the engine's matter. */
  apply(settings: LiveSettings): void;
  /** Runs until `signal` is aborted and the agent has left its units or kept them. */
  run(signal: AbortSignal): Promise<void>;
}

interface OpenRunner {
  readonly runner: UnitRunner;
  readonly inspector: UnitInspector;
  run(signal: AbortSignal): Promise<void>;
}

export async function openMember(member: MemberPlan, needs: MemberNeeds): Promise<Member> {
  const { clock, random, log, store, trust, plan, knownText } = needs;
  const open = await openRunner(member, needs);
  const memory = await openMemory(join(member.dataDirectory, 'agent'));
  const report = createAgentReport();
  const startedAtMs = clock.nowMs();
  const refresh = createBell();
  let live: Pick<LiveSettings, 'address' | 'metadata' | 'reserve'> = member;
  const facts = (): MachineFacts => ({
    id: member.id, publicIp: live.address, hostname: member.hostname, metadata: live.metadata, version, bootId: member.bootId,
    capacity: readCapacity(live.reserve), peer: needs.peer === null ? null : { address: live.address, ...needs.peer },
    runner: member.runner, store: needs.storeKind, startedAtMs,
  });
  return {
    plan: member,
    inspector: open.inspector,
    report,
    apply(settings) {
      live = settings;
      refresh.wake();
    },
    async run(signal) {
      const runnerStop = new AbortController();
      const served = open.run(runnerStop.signal);
      try {
        const { onStop, config } = plan;
        await runAgent({
          store, trust, probe, portFacts: portFactsOf(open.inspector), activity: activityOf, knownText,
          runner: open.runner, facts, refresh, clock, random, log, memory, report, onStop, ttlMs: config.agentTtlMs, stopTimeoutMs,
        }, signal);
      } finally {
        runnerStop.abort();
        await served;
      }
    },
  };
}

async function openRunner(member: MemberPlan, { plan, clock, random, log }: MemberNeeds): Promise<OpenRunner> {
  const { unitsDirectory, stateDirectory } = member;
  if (member.runner === 'supervisor') {
    return openSupervisorRunner({ unitsDirectory, stateDirectory, keeper: plan.keeper }, { clock, random, log });
  }
  const user = plan.config.systemdUser;
  const userRuntimeDirectory = user ? (process.env['XDG_RUNTIME_DIR'] ?? '') : '';
  return openSystemdRunner({ unitsDirectory, stateDirectory, user, userRuntimeDirectory, keeper: plan.keeper }, { clock, random, log });
}
