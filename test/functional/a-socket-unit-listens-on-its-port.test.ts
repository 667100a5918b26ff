/** Where systemd expands no variables fleet puts the port in; the submitted file stays as it is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { portsOf } from './ports.ts';
import { startUnit } from './units.ts';

test('a socket unit listens on the port it was given, and people see the file they submitted', async () => {
  const made = await cluster();
  const machine = made.machine('m83');
  const placed = `\n[X-Fleet]\nMachineID=${machine.id}\n`;
  // The service behind the socket is the machine's own.
  await machine.sh('printf "[Service]\\nExecStart=-/bin/echo hello\\nStandardInput=socket\\n" >/run/systemd/system/greet@.service; systemctl daemon-reload');
  try {
    await startUnit(made, 'greet.socket', `[Socket]\nListenStream=\${FLEET_PORT_GREET}\nAccept=yes\n${placed}Port=greet:22301-22310\n`);
    const port = (await portsOf(made)).get('greet.socket') ?? 0;
    assert.equal(port, 22_301);
    assert.equal((await machine.sh(`bash -c 'cat </dev/tcp/127.0.0.1/${String(port)}'`)).trim(), 'hello');
    assert.match((await made.fleetctl('cat', 'greet.socket')).stdout, /ListenStream=\$\{FLEET_PORT_GREET\}/);
    const hashes = await made.fleetctl('list-unit-files', '--no-legend', '--fields=unit,hash');
    const seen = await made.fleetctl('list-units', '--no-legend', '--fields=unit,hash');
    assert.equal(seen.stdout.split('\n').find((line) => line.startsWith('greet.socket')), hashes.stdout.split('\n').find((line) => line.startsWith('greet.socket')));
  } finally {
    await machine.sh('rm -f /run/systemd/system/greet@.service; systemctl daemon-reload');
  }
});
