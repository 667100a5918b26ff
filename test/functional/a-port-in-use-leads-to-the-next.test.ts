/** Ports that something else uses: those the machine reports are skipped, others are found out by whoever cannot start. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { answers, portsOf, untilReported, webServer } from './ports.ts';
import { startUnit, writeUnit } from './units.ts';

test('a port that a process of the machine listens on is not given out', async () => {
  const made = await cluster();
  const machine = made.machine('m86');
  await machine.sh('systemd-run --unit=squatter --collect /usr/bin/python3 -m http.server 22001');
  try {
    await untilReported(made, machine.id, 22_001);
    await startUnit(made, 'skips.service', webServer(`MachineID=${machine.id}`, 'Port=http:22001-22002'));
    assert.deepEqual(await portsOf(made), new Map([['skips.service', 22_002]]));
    // A simple service has started before it listens.
    await until(async () => answers(machine, 22_002), 'it runs on the next port');
    await writeUnit(made, 'full.service', webServer(`MachineID=${machine.id}`, 'Port=http:22001'));
    const full = await made.fleetctl('start', 'full.service');
    assert.equal(full.code, 1, full.stdout + full.stderr);
    assert.match(full.stderr, /port http: the one port of 22001-22001 is in use: 1 by something that is not of fleet/);
  } finally {
    await machine.sh('systemctl stop squatter');
  }
});

test('a start that finds its port taken leads to the next port, and the reason is told', async () => {
  const made = await cluster();
  const machine = made.machine('m86');
  // Somebody takes the port at the very moment the unit starts: no report could have come before.
  const squat = 'ExecStartPre=-/usr/bin/systemd-run --unit=squatter --collect /usr/bin/python3 -m http.server ${FLEET_PORT}\n'
    + 'ExecStartPre=/bin/sh -c \'until curl -sf -o /dev/null http://127.0.0.1:22101/; do sleep 0.1; done\'\n';
  const text = webServer(`MachineID=${machine.id}`, 'Port=http:22101-22110').replace('ExecStart=', `${squat}ExecStart=`);
  await writeUnit(made, 'moved.service', text);
  try {
    const started = await made.fleetctl('start', 'moved.service');
    assert.equal(started.code, 0, started.stderr);
    await until(async () => answers(machine, 22_102), async () => `it runs on the next port: ${(await made.fleetctl('explain', 'moved.service')).stdout}`);
    assert.equal((await portsOf(made)).get('moved.service'), 22_102);
    const { stdout } = await made.fleetctl('explain', 'moved.service');
    assert.match(stdout, /its ports: http 22102; port 22101 was in use: something else listens on it/);
    const why = await made.fleetctl('ports', '--no-legend', '--fields=unit,why');
    assert.match(why.stdout, /moved\.service\s+port 22101 was in use/);
  } finally {
    await machine.sh('systemctl stop squatter');
  }
});

test('start waits for the next port instead of telling the failure of the first', async () => {
  const made = await cluster();
  const machine = made.machine('m86');
  const bind = 'ExecStart=/bin/sh -c \'[ $FLEET_PORT != 22401 ] || { echo "bind: address already in use"; exit 1; }\'';
  await startUnit(made, 'patient.service',
    `[Service]\nType=oneshot\nRemainAfterExit=yes\n${bind}\n\n[X-Fleet]\nMachineID=${machine.id}\nPort=http:22401-22410\n`);
  assert.equal((await portsOf(made)).get('patient.service'), 22_402);
});

test('a log that says "address already in use" is believed where no listener can be seen, ten times at most', async () => {
  const made = await cluster();
  const machine = made.machine('m86');
  const complain = 'ExecStart=/bin/sh -c \'echo "bind: address already in use"; exit 1\'';
  await writeUnit(made, 'never.service', `[Service]\n${complain}\n\n[X-Fleet]\nMachineID=${machine.id}\nPort=http:22201-22230\n`);
  await made.fleetctl('start', '--no-block', 'never.service');
  await until(async () => (await portsOf(made)).get('never.service') === 22_211, async () => `ten ports were tried: ${(await made.fleetctl('ports')).stdout}`);
  const { stdout } = await made.fleetctl('explain', 'never.service');
  assert.match(stdout, /bind: address already in use/);
  await made.fleetctl('restart', '--no-block', 'never.service');
  await until(async () => (await portsOf(made)).get('never.service') !== 22_211, 'a restart begins anew');
});
