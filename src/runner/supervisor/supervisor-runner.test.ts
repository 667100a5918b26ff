import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildKeeper } from '../../host/native.ts';
import { createLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { systemClock } from '../../lib/system-clock.ts';
import { fenceContract } from '../fence.contract.ts';
import { runnerContract } from '../runner.contract.ts';
import type { RunnerUnderTest } from '../runner.contract.ts';
import { openSupervisorRunner } from './supervisor-runner.ts';
import type { Supervisor } from './supervisor-runner.ts';

const keeper = await buildKeeper(join(dirname(fileURLToPath(import.meta.url)), '../../../native/keeper'));
const log = createLog('supervisor', 'debug', () => undefined);

const openOne = async (): Promise<RunnerUnderTest> => {
  const directory = await mkdtemp(join(tmpdir(), 'fleet-supervisor-'));
  let ending = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const open = async (): Promise<Supervisor> => {
    const supervisor = await openSupervisorRunner(
      { unitsDirectory: join(directory, 'units'), stateDirectory: join(directory, 'state'), keeper },
      { clock: systemClock, random: seededRandom(1), log });
    ending = new AbortController();
    running = supervisor.run(ending.signal);
    return supervisor;
  };
  const drop = async (): Promise<void> => {
    ending.abort();
    await running;
  };
  return {
    runner: (await open()).runner,
    async reopen() {
      await drop();
      return (await open()).runner;
    },
    async close() {
      await drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
};

runnerContract('the supervisor', openOne);
fenceContract('the supervisor', openOne, systemClock);
