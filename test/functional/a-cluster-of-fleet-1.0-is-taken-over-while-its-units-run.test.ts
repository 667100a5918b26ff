/**
 * `fleetctl import` on real machines: units that fleet 1.0 left running in /run/fleet/units keep their processes.
 * What fleet 1.0 does to a machine is done by hand: unit files, links, starts; what it keeps in etcd is served as files.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { cluster } from './cluster.ts';
import { until, type CommandResult } from './lab/command.ts';
import { bootMachines } from './lab/fleet-machines.ts';
import type { Machine } from './lab/machine.ts';
import { done, mainPid } from './units.ts';

const plans = [
  { name: 'orig1', id: '2c7d7478ba9f8197b5b7a551442f19f7', address: '10.58.9.71' },
  { name: 'orig2', id: '99f4004d61afe901b47c4cb4e1f2e0cd', address: '10.58.9.72' },
] as const;
const [one, two] = plans;

const sleeping = '[Service]\nExecStart=/bin/sleep infinity\n';
/** Counts its runs. */
const counting = (type: string): string => `[Service]\nType=oneshot\n${type}ExecStart=/bin/sh -c "echo ran >>/root/%n"\n`;

interface Original {
  readonly text: string;
  readonly state?: 'loaded' | 'launched';
  /** Where fleet 1.0 has it; several for a global unit. */
  readonly on: readonly string[];
  readonly active?: string;
}

/** The original cluster. */
const originals: Readonly<Record<string, Original>> = {
  'web.service': { text: `${sleeping}\n[X-Fleet]\nMachineMetadata=disk=ssd\nGloable=true\n`, state: 'launched', on: [two.id], active: 'active' },
  'app@1.service': { text: `${sleeping}\n[X-Fleet]\nConflicts=app@*\n`, state: 'launched', on: [one.id], active: 'active' },
  'app@2.service': { text: `${sleeping}\n[X-Fleet]\nConflicts=app@*\n`, state: 'launched', on: [two.id], active: 'active' },
  'everywhere.service': { text: `${sleeping}\n[X-Fleet]\nGlobal=true\n`, state: 'launched', on: [one.id, two.id], active: 'active' },
  'stays.service': { text: counting('RemainAfterExit=yes\n'), state: 'launched', on: [one.id], active: 'active' },
  'ended.service': { text: counting(''), state: 'launched', on: [one.id], active: 'inactive' },
  'tick.service': { text: counting(''), state: 'loaded', on: [one.id], active: 'inactive' },
  'tick.timer': { text: '[Timer]\nOnActiveSec=1h\nOnUnitActiveSec=1h\n\n[X-Fleet]\nMachineOf=tick.service\n', state: 'launched', on: [one.id], active: 'active' },
  'only-stored.service': { text: sleeping, on: [] },
};
const sharedByMove = ['web.service', 'app@1.service', 'app@2.service'];

/** What fleet 1.0 keeps in etcd, by path of a GET: etcd's answers, as src/cli/import/testdata has them recorded. */
function layout(): Readonly<Record<string, unknown>> {
  const root = '/_coreos.com/fleet';
  const leaf = (key: string, value: unknown): object => ({ key, value: typeof value === 'string' ? value : JSON.stringify(value) });
  const folder = (key: string, nodes: readonly object[]): object => ({ key, dir: true, nodes });
  const hashOf = (text: string): string => createHash('sha1').update(text).digest('hex');
  const entries = Object.entries(originals);
  const jobs = entries.map(([name, { text, state, on }]) => folder(`${root}/job/${name}`, [
    leaf(`${root}/job/${name}/object`, { Name: name, UnitHash: [...Buffer.from(hashOf(text), 'hex')] }),
    ...(state === undefined ? [] : [leaf(`${root}/job/${name}/target-state`, state)]),
    ...(on.length === 1 ? [leaf(`${root}/job/${name}/target`, on[0] ?? '')] : []),
  ]));
  const texts = new Map(entries.map(([, { text }]) => [hashOf(text), text]));
  const units = [...texts].map(([hash, text]) => leaf(`${root}/unit/${hash}`, { Raw: text }));
  const states = entries.map(([name, { text, on, active }]) => folder(`${root}/states/${name}`, on.map((machine) =>
    leaf(`${root}/states/${name}/${machine}`,
      { loadState: 'loaded', activeState: active, subState: '', machineState: { ID: machine }, unitHash: hashOf(text) }))));
  const machines = plans.map(({ id, address }) => folder(`${root}/machines/${id}`, [
    leaf(`${root}/machines/${id}/object`, { ID: id, PublicIP: address, Metadata: {}, Capabilities: {}, Version: '1.0.0' }),
    ...(id === two.id ? [folder(`${root}/machines/${id}/metadata`, [leaf(`${root}/machines/${id}/metadata/disk`, 'ssd')])] : []),
  ]));
  const named = { job: jobs, unit: units, states, machines };
  return Object.fromEntries(Object.entries(named).map(([name, nodes]) => [name, { action: 'get', node: folder(`${root}/${name}`, nodes) }]));
}

/** What fleet 1.0 has done on a machine: files, links, starts. */
async function leaveBehind(machine: Machine): Promise<void> {
  const here = Object.entries(originals).filter(([, { on }]) => on.includes(machine.id));
  const write = here.map(([name, { text }]) => `cat >'/run/fleet/units/${name}' <<'UNIT'\n${text}UNIT`).join('\n');
  const names = here.map(([name]) => `'/run/fleet/units/${name}'`).join(' ');
  const launched = here.filter(([, { state }]) => state === 'launched').map(([name]) => `'${name}'`).join(' ');
  await machine.sh(`mkdir -p /run/fleet/units\n${write}\nsystemctl link -q --runtime ${names}\nsystemctl start ${launched}`);
}

describe('a cluster of fleet 1.0', () => {
  let machines: readonly Machine[] = [];
  let first: Machine;
  let second: Machine;
  let pids: readonly number[] = [];
  const to = ['--driver=etcd', '--endpoint=http://10.58.0.1:2379', '--etcd-key-prefix=/imported'] as const;
  const from = '--from-etcd2=http://127.0.0.1:4001';
  const fleetctl = (...args: readonly string[]): Promise<CommandResult> => first.exec(['fleetctl', ...args]);
  const runningPids = (): Promise<readonly number[]> => Promise.all(machines.flatMap((machine) =>
    [...sharedByMove, 'everywhere.service'].map((unit) => mainPid(machine, unit))));
  const active = async (): Promise<string> => (await fleetctl('list-units', '--no-legend', '--fields=unit,active')).stdout;

  before(async () => {
    const { lab } = await cluster();
    const conf = (address: string): string => `etcd_servers=["http://10.58.0.1:2379"]\netcd_key_prefix=/imported\npublic_ip=${address}\nagent_ttl=5s\n`;
    machines = await bootMachines(lab, plans.map((plan) => ({ ...plan, conf: conf(plan.address) })));
    [first, second] = machines as [Machine, Machine];
    await Promise.all(machines.map(leaveBehind));
    const keys = Object.entries(layout()).map(([name, answer]) => `cat >${name} <<'KEYS'\n${JSON.stringify(answer)}\nKEYS`).join('\n');
    await first.sh(`mkdir -p /root/etcd2/v2/keys/_coreos.com/fleet; cd /root/etcd2/v2/keys/_coreos.com/fleet\n${keys}
      systemd-run -q --unit=etcd2 python3 -m http.server 4001 -d /root/etcd2
      until curl -sf http://127.0.0.1:4001/v2/keys/_coreos.com/fleet/job >/dev/null; do sleep 0.1; done`);
    pids = await runningPids();
    assert.equal(pids.filter((pid) => pid !== 0).length, 5);
  });
  after(() => Promise.all(machines.map((machine) => machine.kill())));

  test('is imported into etcd before any fleetd of this version runs', async () => {
    const { code, stdout, stderr } = await first.exec(['fleetctl', ...to, 'import', from]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^Unit web\.service imported as launched on 99f4004d\.\.\.$/m);
    assert.match(stdout, /^Unit everywhere\.service imported as launched, global$/m);
    assert.match(stderr, /^ended\.service was launched and is inactive now: it is taken over as loaded/);
    const files = (await first.exec(['fleetctl', ...to, 'list-unit-files', '--no-legend', '--fields=unit,dstate'])).stdout;
    assert.equal(files.trim().split('\n').length, Object.keys(originals).length);
  });

  test('goes over machine by machine: units of a machine that has not come yet wait for it and run on', async () => {
    await first.sh('systemctl start fleet.socket fleet.service');
    await until(async () => /^app@1\.service\t+active$/m.test(await active()), async () => `orig1 has its units: ${await active()}`);
    assert.deepEqual(await runningPids(), pids);
    assert.match((await fleetctl('explain', 'app@2.service')).stdout, /waits for machine 99f4004d/);
    await second.sh('systemctl start fleet.socket fleet.service');
    await until(async () => /^web\.service\t+active$/m.test(await active()), async () => `orig2 has its units: ${await active()}`);
    await until(async () => (await active()).match(/^(web|app@1|app@2|everywhere|stays|tick)\.(service|timer)\t+active$/gm)?.length === 7,
      async () => `all units are taken over: ${await active()}`);
  });

  test('keeps every process, and nothing was stopped or run again', async () => {
    assert.deepEqual(await runningPids(), pids);
    for (const machine of machines) {
      const said = await machine.sh('journalctl -q _PID=1 --no-pager -o cat');
      assert.doesNotMatch(said, /Stopping .*(web|app@|everywhere|stays|tick)/);
    }
    assert.equal(await first.sh('cat /root/stays.service /root/ended.service; ls /root/tick.service 2>/dev/null; true'), 'ran\nran\n');
    const states = (await fleetctl('list-unit-files', '--no-legend', '--fields=unit,dstate,state')).stdout;
    assert.match(states, /^ended\.service\t+loaded\t+loaded$/m);
    assert.match(states, /^only-stored\.service\t+inactive\t+inactive$/m);
    assert.match((await fleetctl('list-machines', '-l', '--no-legend')).stdout, new RegExp(`^${two.id}\t+${two.address.replaceAll('.', '\\.')}\t+disk=ssd$`, 'm'));
  });

  test('is this cluster\'s own afterwards: it restarts, moves and destroys what it took over', async () => {
    await done(fleetctl, 'import', '--finish');
    const before = await mainPid(second, 'web.service');
    await done(fleetctl, 'restart', 'web.service');
    assert.notEqual(await mainPid(second, 'web.service'), before);
    await done(fleetctl, 'destroy', ...Object.keys(originals));
    await until(async () => (await active()).trim() === '', active);
    assert.ok((await runningPids()).every((pid) => pid === 0));
  });

  test('and a unit that runs there without being imported is left alone, and said to be', async () => {
    await first.sh(`systemctl stop fleet.service; printf '%s' '${sleeping}' >/run/fleet/units/forgotten.service
      systemctl link -q --runtime /run/fleet/units/forgotten.service; systemctl start forgotten.service fleet.service`);
    const pid = await mainPid(first, 'forgotten.service');
    await until(async () => /^forgotten\.service\t+active$/m.test(await active()), active);
    const { statuses } = JSON.parse(await first.sh('curl -s --unix-socket /run/fleet.sock http://fleet/fleet/v2/statuses')) as
      { readonly statuses: readonly { readonly name: string; readonly problem: string }[] };
    assert.match(statuses.find(({ name }) => name === 'forgotten.service')?.problem ?? '', /fleet did not start it and leaves it alone/);
    await first.sh('systemctl stop fleet');
    assert.equal(await mainPid(first, 'forgotten.service'), pid);
  });
});
