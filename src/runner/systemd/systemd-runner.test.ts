/**
 * The runner on a real systemd: runs where systemd is process 1 and the tests are root (`FLEET_TEST_SYSTEMD=1` insists).
 */
import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { systemClock as clock } from '../../lib/system-clock.ts';
import { createLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { runnerContract } from '../runner.contract.ts';
import type { UnitRunner } from '../runner.ts';
import type { BusAddress } from './bus-connection.ts';
import { openSystemdRunner, systemdAddresses } from './systemd-runner.ts';

const insisted = process.env['FLEET_TEST_SYSTEMD'] === '1';
const present = readFileSync('/proc/1/comm', 'utf8').trim() === 'systemd' && process.getuid?.() === 0;
assert.ok(present || !insisted, 'FLEET_TEST_SYSTEMD=1, but systemd is not process 1 here or the user is not root');

const unitsDirectory = '/run/fleet-test/units';

interface Opened { readonly runner: UnitRunner; end(): Promise<void> }

async function open(stateDirectory: string, addresses: readonly BusAddress[]): Promise<Opened> {
  const log = createLog('runner', 'warning', (line) => process.stderr.write(`${line}\n`));
  const options = { unitsDirectory, stateDirectory, user: false, userRuntimeDirectory: '', addresses };
  const { runner, run } = await openSystemdRunner(options, { clock, random: seededRandom(1), log });
  const ending = new AbortController();
  const running = run(ending.signal);
  return {
    runner,
    async end() {
      ending.abort();
      await running;
    },
  };
}

function contractOver(implementation: string, addresses: readonly BusAddress[]): void {
  runnerContract(implementation, async () => {
    const stateDirectory = await mkdtemp('/run/fleet-test-state-');
    let current = await open(stateDirectory, addresses);
    return {
      runner: current.runner,
      async reopen() {
        await current.end();
        current = await open(stateDirectory, addresses);
        return current.runner;
      },
      async close() {
        await current.end();
        await rm(stateDirectory, { recursive: true });
      },
    };
  });
}

if (present) {
  contractOver("systemd's private socket", systemdAddresses('').filter(({ direct }) => direct));
  contractOver('systemd over the system bus', systemdAddresses('').filter(({ direct }) => !direct));
}
