/**
 * `fleetctl import` from recorded data of fleet 1.0 into a real API. testdata/etcd2.json holds what an etcd 2 answers for
 * each directory of fleet 1.0's key layout: nine units on two machines, one of them without its file.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { fakeMachine, putMachine, startFakeFleetd } from '../../api/fake-fleetd.ts';
import type { FakeFleetd } from '../../api/fake-fleetd.ts';
import { createFakeTerminal } from '../fake-terminal.ts';
import type { FakeTerminal, Ran } from '../fake-terminal.ts';
import { readLayout } from './etcd2-layout.ts';
import type { Etcd2Node } from './etcd2-layout.ts';

type Directory = 'job' | 'unit' | 'states' | 'machines';
const recorded = JSON.parse(readFileSync(join(import.meta.dirname, 'testdata/etcd2.json'), 'utf8')) as
  Readonly<Record<Directory, { readonly node: Etcd2Node }>>;
const [one, two] = ['2c7d7478ba9f8197b5b7a551442f19f7', '99f4004d61afe901b47c4cb4e1f2e0cd'] as const;

let folder = '';
let fleetd: FakeFleetd;
let servers: Server[] = [];
let terminal: FakeTerminal;
let asked: string[] = [];

async function listen(server: Server, at: string | number): Promise<Server> {
  servers.push(server);
  await new Promise<void>((resolve) => void server.listen(at, resolve));
  return server;
}

const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** An etcd 2 that has the directories given. */
async function etcd2(directories: Readonly<Record<string, unknown>>, root = '/_coreos.com/fleet'): Promise<string> {
  const server = createServer((request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
    const url = new URL(request.url ?? '', 'http://etcd');
    const found = url.pathname.startsWith(`/v2/keys${root}/`) ? directories[url.pathname.slice(`/v2/keys${root}/`.length)] : undefined;
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(found ?? { errorCode: 100, message: 'Key not found', cause: url.pathname, index: 30 }));
  });
  return urlOf(await listen(server, 0));
}

const run = (...argv: readonly string[]): Promise<Ran> => terminal.run(argv);

async function units(): Promise<Readonly<Record<string, string>>> {
  const stored = await fleetd.stored('units/');
  return Object.fromEntries(Object.entries(stored).map(([key, value]) => {
    const { desired, adoptOn } = JSON.parse(value) as { readonly desired: string; readonly adoptOn: string | null };
    return [key.slice('units/'.length), adoptOn === null ? desired : `${desired} on ${adoptOn.slice(0, 4)}`];
  }));
}

const imported = {
  'all.service': 'launched',
  'app@.service': 'inactive',
  'app@1.service': 'launched on 2c7d',
  'app@2.service': 'launched on 99f4',
  'idle.service': 'inactive',
  'once.service': 'loaded on 99f4',
  'waits.service': 'loaded on 2c7d',
  'web.service': 'launched on 99f4',
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fleetctl-import-'));
  fleetd = await startFakeFleetd();
  const server = createServer();
  fleetd.attach(server);
  await listen(server, join(folder, 'fleet.sock'));
  terminal = createFakeTerminal(join(folder, 'fleet.sock'));
  asked = [];
});
afterEach(async () => {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  servers = [];
  await fleetd.close();
  rmSync(folder, { recursive: true });
});

describe('an import from etcd 2', () => {
  test('takes over units with their states, machines and run-time metadata, and names what it cannot take over', async () => {
    const ran = await run('import', `--from-etcd2=${await etcd2(recorded)}`);
    assert.deepEqual(await units(), imported);
    assert.partialDeepStrictEqual(JSON.parse((await fleetd.stored())[`machine-overrides/${two}`] ?? ''), { set: { disk: 'ssd' }, removed: ['region'] });
    assert.equal((await fleetd.stored())[`machine-overrides/${one}`], undefined);
    assert.equal(ran.code, 1, 'one unit could not be imported');
    assert.equal(ran.stderr, `Not imported: broken.service: its unit file ${'0'.repeat(40)} is not there\n`
      + 'once.service was launched and is inactive now: it is taken over as loaded, so that the move does not run it again\n');
    assert.match(ran.stdout, /^Unit web\.service imported as launched on 99f4004d\.\.\.$/m);
    assert.match(ran.stdout, /^Unit all\.service imported as launched, global$/m);
    assert.match(ran.stdout, new RegExp(`^Metadata ${two}/metadata/region removed$`, 'm'));
    assert.ok(asked.every((line) => line.startsWith('GET /v2/keys/_coreos.com/fleet/') && line.includes('quorum=true')), asked.join());
  });

  test('keeps the text of every unit, also with options that nobody knows', async () => {
    await run('import', `--from-etcd2=${await etcd2(recorded)}`);
    assert.match((await run('cat', 'web.service')).stdout, /\[X-Fleet\]\nMachineMetadata=region=us-west\nGloable=true\n$/);
    assert.match((await run('list-unit-files', '--full', '--fields=unit,hash')).stdout, /app@1\.service\t+d92e503e77c4c91771bfb77e3499a57a508e1701/);
  });

  test('can be repeated, and then changes nothing', async () => {
    const url = await etcd2(recorded);
    await run('import', `--from-etcd2=${url}`);
    const before = await fleetd.stored();
    await fleetd.write([putMachine(fakeMachine(two))]);
    const again = await run('import', `--from-etcd2=${url}`);
    assert.equal(again.code, 1);
    const after = await fleetd.stored();
    delete (after as Record<string, string>)[`machines/${two}`];
    assert.deepEqual(after, before);
  });

  test('is only told with --dry-run', async () => {
    const before = await fleetd.stored();
    const { stdout } = await run('import', '--dry-run', `--from-etcd2=${await etcd2(recorded)}`);
    assert.match(stdout, /^Unit web\.service imported as launched on 99f4004d\.\.\.$/m);
    assert.deepEqual(await fleetd.stored(), before);
  });

  test('leaves a unit alone that exists with other content, and names it', async () => {
    terminal.files.set('/home/web.service', '[Service]\nExecStart=/bin/true\n');
    await run('submit', 'web.service');
    const { code, stderr } = await run('import', `--from-etcd2=${await etcd2(recorded)}`);
    assert.equal(code, 1);
    assert.match(stderr, /^Unit web\.service exists here with other content and is left as it is$/m);
    assert.equal((await run('cat', 'web.service')).stdout, '[Service]\nExecStart=/bin/true\n');
  });

  test('stores nothing at all when one unit is refused', async () => {
    const raw = '[Service]\nExecStart=/bin/true\n\n[X-Fleet]\nGlobal=true\nMachineOf=a.service\n';
    const unit = { node: { nodes: [{ key: `/x/unit/${'1'.repeat(40)}`, value: JSON.stringify({ Raw: raw }) }] } };
    const object = { key: '/x/job/bad.service/object', value: JSON.stringify({ Name: 'bad.service', UnitHash: Array(20).fill(17) }) };
    const job = { node: { nodes: [{ key: '/x/job/bad.service', nodes: [object] }, ...recorded.job.node.nodes ?? []] } };
    const both = { node: { nodes: [...unit.node.nodes, ...recorded.unit.node.nodes ?? []] } };
    const before = await fleetd.stored();
    const { code, stderr } = await run('import', `--from-etcd2=${await etcd2({ ...recorded, job, unit: both })}`);
    assert.equal(code, 1);
    assert.match(stderr, /^Error importing units: bad\.service: .*Global cannot be used with Peers/m);
    assert.deepEqual(await fleetd.stored(), before);
  });

  test('finds a cluster under another prefix, and says when there is none', async () => {
    const url = await etcd2(recorded, '/fleet');
    assert.equal((await run('import', `--from-etcd2=${url}`)).stderr,
      'Error importing units: etcd keeps no cluster of fleet 1.0 under /_coreos.com/fleet; name its prefix with --from-key-prefix\n');
    assert.equal((await run('import', `--from-etcd2=${url}`, '--from-key-prefix=fleet/')).code, 1);
    assert.deepEqual(await units(), imported);
  });
});

describe('an import from the API', () => {
  const recordedUnits = {
    units: [
      { currentState: 'launched', desiredState: 'launched', machineID: two, name: 'web.service', options: [
        { name: 'ExecStart', section: 'Service', value: '/bin/sh -c "echo a; \\\n  sleep 1000"' }, { name: 'Global', section: 'X-Fleet', value: 'false' }] },
    ],
    nextPageToken: 'ZAACAA==',
  };
  const moreUnits = { units: [{ desiredState: 'launched', machineID: one, name: 'once.service', options: [
    { name: 'Type', section: 'Service', value: 'oneshot' }, { name: 'ExecStart', section: 'Service', value: '/bin/true' }] }] };

  /** An API v1 of fleet 1.0 with two pages of units. */
  async function api(): Promise<string> {
    const server = createServer((request, response) => {
      asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
      const answers: Readonly<Record<string, unknown>> = {
        '/fleet/v1/machines': { machines: [{ id: one, primaryIP: '172.18.0.3' }, { id: two, metadata: { region: 'us-west' }, primaryIP: '172.18.0.2' }] },
        '/fleet/v1/state': { states: [
          { hash: 'a', machineID: two, name: 'web.service', systemdActiveState: 'active', systemdLoadState: 'loaded', systemdSubState: 'running' },
          { hash: 'b', machineID: one, name: 'once.service', systemdActiveState: 'failed', systemdLoadState: 'loaded', systemdSubState: 'failed' }] },
        '/fleet/v1/units': recordedUnits,
        '/fleet/v1/units?nextPageToken=ZAACAA%3D%3D': moreUnits,
      };
      response.end(JSON.stringify(answers[request.url ?? ''] ?? {}));
    });
    return urlOf(await listen(server, 0));
  }

  test('follows all pages, and takes over units, states and metadata', async () => {
    const { code, stderr } = await run('import', `--from-api=${await api()}`);
    assert.equal(code, 0, stderr);
    assert.deepEqual(await units(), { 'once.service': 'loaded on 2c7d', 'web.service': 'launched on 99f4' });
    assert.deepEqual(JSON.parse((await fleetd.stored())[`machine-overrides/${two}`] ?? '').set, { region: 'us-west' });
    assert.match((await run('cat', 'web.service')).stdout, /echo a; \\\n {2}sleep 1000/);
    assert.ok(asked.every((line) => line.startsWith('GET ')));
  });

  test('sets no metadata that the machine has by itself', async () => {
    await fleetd.write([putMachine(fakeMachine(two, { metadata: { region: 'us-west' } }))]);
    await run('import', `--from-api=${await api()}`);
    assert.equal((await fleetd.stored())[`machine-overrides/${two}`], undefined);
  });
});

test('--finish ends the wait of units for machines that have not come, and says so', async () => {
  await run('import', `--from-etcd2=${await etcd2(recorded)}`);
  const { code, stdout } = await run('import', '--finish');
  assert.equal(code, 0);
  assert.match(stdout, /^Unit web\.service waits no longer for 99f4004d\.\.\.$/m);
  assert.ok(Object.values(await units()).every((state) => !state.includes(' on ')));
  assert.equal((await run('import', '--finish')).stdout, '');
});

const slips: readonly (readonly [readonly string[], RegExp])[] = [
  [[], /^name one place to import from: --from-etcd2=URL or --from-api=URL\n$/],
  [['--from-etcd2=http://a:1', '--from-api=http://b:1'], /^name one place/],
  [['--from-etcd2=10.0.0.1:2379'], /^--from-etcd2: URL scheme undefined\n$/],
  [['web.service'], /^import takes no arguments \("web\.service"\)\n$/],
];
for (const [argv, says] of slips) {
  test(`import ${argv.join(' ')} is wrong usage, in one line`, async () => {
    const { code, stderr } = await run('import', ...argv);
    assert.equal(code, 2);
    assert.match(stderr, says);
  });
}

test('what answers and is neither etcd nor fleet is told in one line', async () => {
  const server = await listen(createServer((_, response) => response.end('{"hello":1}')), 0);
  for (const flag of ['--from-etcd2', '--from-api']) {
    const { code, stderr } = await run('import', `${flag}=${urlOf(server)}`);
    assert.equal(code, 1);
    assert.match(stderr, /^Error importing units: the answer to \/(v2\/keys|fleet\/v1\/machines)\S* (is not etcd's|names no machine)[^\n]*\n$/);
  }
});

test('no answer of an etcd makes reading the layout throw', () => {
  const { node } = fc.letrec<{ node: Etcd2Node }>((tie) => ({
    node: fc.record({
      key: fc.oneof(fc.string(), fc.constantFrom('/f/job/a.service', '/f/job/a.service/object', '/f/unit/00', '/f/machines/m/metadata')),
      value: fc.oneof(fc.string(), fc.json(), fc.constant('{"UnitHash":[1]}')),
      nodes: fc.array(tie('node') as fc.Arbitrary<Etcd2Node>, { maxLength: 3 }),
    }, { requiredKeys: [] }),
  }));
  const maybe = fc.option(node);
  fc.assert(fc.property(fc.record({ job: maybe, unit: maybe, states: maybe, machines: maybe }), (directories) => {
    const { units: read, problems } = readLayout(directories);
    assert.ok(read.length + problems.length >= 0);
    for (const problem of problems) assert.equal(typeof problem, 'string');
  }));
});
