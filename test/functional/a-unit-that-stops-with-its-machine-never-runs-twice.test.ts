/**
 * OnMachineLost=stop on real machines: whatever becomes of fleetd and the network, the unit is stopped by systemd before it is started elsewhere.
 * The judge is the kernel of the host: the unit holds a lock on a file all machines see, and ignores SIGTERM.
 */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { cluster, type Cluster } from './cluster.ts';
import { holder, overlapsIn, runsOf } from './holder.ts';
import { until } from './lab/command.ts';
import type { Machine } from './lab/machine.ts';
import { mainPid, placesOf, sleeper, startUnit } from './units.ts';

const unit = 'db.service';
const text = holder('OnMachineLost=stop');

/** fleetd does not come back by itself: its service manager must not help. */
const withoutRestart = 'mkdir -p /run/systemd/system/fleet.service.d && '
  + "printf '[Service]\\nRestart=no\\nWatchdogSec=0\\n' >/run/systemd/system/fleet.service.d/test.conf && systemctl daemon-reload";
const withRestart = 'rm -rf /run/systemd/system/fleet.service.d && systemctl daemon-reload';

interface Trouble {
  readonly name: string;
  begin(machine: Machine): Promise<unknown>;
  end(machine: Machine): Promise<unknown>;
}

const troubles: readonly Trouble[] = [
  { name: 'is cut off from the network', begin: (machine) => machine.cut(), end: (machine) => machine.join() },
  {
    name: 'has its fleetd killed for good',
    begin: (machine) => machine.sh(`${withoutRestart}; systemctl kill --kill-whom=main --signal=KILL fleet`),
    end: (machine) => machine.sh(`${withRestart}; systemctl reset-failed fleet; systemctl start fleet`),
  },
  {
    name: 'has a fleetd that hangs (SIGSTOP), and goes on later as if nothing had been',
    begin: (machine) => machine.sh(`${withoutRestart}; systemctl restart fleet; systemctl kill --kill-whom=main --signal=STOP fleet`),
    end: (machine) => machine.sh(`systemctl kill --kill-whom=main --signal=CONT fleet; ${withRestart}`),
  },
];

/** Where the unit runs, as list-units says; null while it runs nowhere. */
async function home(shared: Cluster): Promise<Machine | null> {
  return (await placesOf(shared)).get(unit) ?? null;
}

async function started(shared: Cluster, file: string = text): Promise<Machine> {
  // Keeps the unit off the machine that fleetctl runs on: the least loaded one is chosen.
  await startUnit(shared, 'ballast.service', sleeper(`MachineID=${shared.machine('m85').id}`));
  await startUnit(shared, unit, file);
  return until(() => home(shared), 'it runs');
}

describe('a unit with OnMachineLost=stop', () => {
  afterEach(async () => {
    const { folder } = await cluster();
    assert.equal(await overlapsIn(folder), '', 'no run found the lock of another taken');
  });

  for (const { name, begin, end } of troubles) {
    test(`whose machine ${name} runs elsewhere with a greater fencing token, and never twice`, async () => {
      const shared = await cluster();
      const machine = await started(shared);
      const before = (await runsOf(shared.folder, unit)).at(-1);
      assert.equal(before?.machine, machine.name);
      await begin(machine);
      try {
        await until(async () => ![null, machine].includes(await home(shared)), async () =>
          `it runs elsewhere: ${await shared.sh('fleetctl list-units; fleetctl explain db.service; journalctl -u fleet -n 30 --no-pager')}`);
        assert.equal(await mainPid(machine, unit), 0, 'it has stopped where it was');
      } finally {
        await end(machine);
      }
      const after = (await runsOf(shared.folder, unit)).at(-1);
      assert.notEqual(after?.machine, machine.name);
      assert((after?.fence ?? 0) > (before?.fence ?? 0), `${String(after?.fence)} is greater than ${String(before?.fence)}`);
      await until(async () => (await shared.fleetctl('list-machines', '--no-legend', '--full')).stdout.includes(machine.id), 'the machine is back');
      const place = await home(shared);
      await until(async () => (await machine.exec(['test', '-e', `/run/fleet/units/${unit}`])).code !== 0, 'it has given the unit up');
      assert.equal(await home(shared), place, 'it stays where it is');
    });
  }

  test('goes on with its main process while fleetd is killed and restarted, and systemd is reloaded', async () => {
    const shared = await cluster();
    // Two fleetd and a new systemd have to come up in that time, also where processors are scarce.
    const machine = await started(shared, `${text}LostAfter=20s\n`);
    const before = await mainPid(machine, unit);
    const fleetd = await mainPid(machine, 'fleet.service');
    await machine.sh('systemctl kill --kill-whom=main --signal=KILL fleet');
    await until(async () => ![0, fleetd].includes(await mainPid(machine, 'fleet.service')), 'another fleetd runs');
    await machine.sh('systemctl daemon-reexec; systemctl daemon-reload; systemctl restart fleet');
    // Longer than its fence stands by itself: only a fed one stands now.
    const ticks = await machine.sh('cut -d. -f1 /proc/uptime');
    await until(async () => Number(await machine.sh('cut -d. -f1 /proc/uptime')) > Number(ticks) + 22, 'time passes');
    assert.equal(await mainPid(machine, unit), before);
  });

  test('that is moved by a person stops first: released by its machine, then started elsewhere, at once', async () => {
    const shared = await cluster();
    const machine = await started(shared);
    const other = shared.machines.find((each) => each !== machine);
    assert(other);
    await shared.sh(`cat >${unit} <<'UNIT'\n${text}MachineID=${other.id}\nUNIT\nfleetctl start --replace ${unit}`);
    await until(async () => (await home(shared)) === other, 'it runs where it is wanted');
    assert.equal(await mainPid(machine, unit), 0);
    assert.equal((await machine.sh('systemctl list-units --all --plain --no-legend "fleet-fence-*"')).trim(), '', 'no fence is left without a unit');
  });
});
