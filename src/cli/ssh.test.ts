/** `fleetctl ssh` and `--tunnel` as far as they go without SSH itself: whom they go to, with what, and what they say. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { SshFailure } from '../ssh/ssh.ts';
import type { OpenSsh, SshDestination, SshOptions, SshTarget } from '../ssh/ssh.ts';
import { startFakeApi } from './fake-api.ts';
import type { FakeApi } from './fake-api.ts';
import { fakeMachines } from './fake-cluster.ts';
import { createFakeTerminal } from './fake-terminal.ts';
import type { FakeTerminal, Ran } from './fake-terminal.ts';

const [one, two] = fakeMachines;
let folder = '';
let api: FakeApi;
let terminal: FakeTerminal;
let visits: { destination: SshDestination; options: SshOptions; command: string | null }[] = [];
let targets: SshTarget[] = [];
let closed = 0;

/** SSH that gets everywhere: commands end with 7, and what lies behind a tunnel is what lies here. */
const openSsh: OpenSsh = async (destination, options) => ({
  async run(command) {
    visits.push({ destination, options, command });
    return 7;
  },
  async forwardSocket(target) {
    targets.push(target);
    return join(folder, 'fleet.sock');
  },
  async forwardPort(target) {
    targets.push(target);
    return 12_379;
  },
  async close() {
    closed += 1;
  },
});

function run(...argv: readonly string[]): Promise<Ran> {
  return terminal.run(argv, { openSsh });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fleetctl-ssh-'));
  api = await startFakeApi(join(folder, 'fleet.sock'));
  terminal = createFakeTerminal(join(folder, 'fleet.sock'));
  [visits, targets, closed] = [[], [], 0];
});
afterEach(async () => {
  await api.close();
  rmSync(folder, { recursive: true });
});

describe('ssh', () => {
  test('goes to a machine by its id or the beginning of it, and to the machine of a unit', async () => {
    terminal.files.set('/home/app.service', '[Service]\nExecStart=/bin/sleep 1\n');
    await run('start', 'app');
    const home = [...(api.cluster.assignments.get('app.service')?.keys() ?? [])][0];
    const address = fakeMachines.find(({ id }) => id === home)?.address;
    for (const [argv, host] of [
      [[one?.id ?? ''], one?.address],
      [['99f4'], two?.address],
      [['99f4004d...'], two?.address],
      [['--machine=2c7d'], one?.address],
      [['app'], address],
      [['--unit', 'app.service'], address],
    ] as const) {
      const { code, stderr } = await run('ssh', ...argv);
      assert.equal(code, 7, stderr);
      assert.equal(visits.at(-1)?.destination.host, host);
      assert.equal(visits.at(-1)?.command, null);
    }
    assert.equal(closed, 6);
  });

  test('joins the words of a command with blanks, and leaves the flags behind its first word to it', async () => {
    for (const [argv, command] of [
      [['2c7d', 'ls', '-l', '--all', '/tmp'], 'ls -l --all /tmp'],
      [['--machine=2c7d', 'ls', '-l'], 'ls -l'],
      [['2c7d', '--', '-x', 'y'], '-x y'],
      [['-A', '--ssh-port=2222', '2c7d', 'grep', '--', '-x'], 'grep -- -x'],
      [['2c7d', '--ssh-port', '2222', 'ps -ef | wc -l'], 'ps -ef | wc -l'],
    ] as const) {
      await run('ssh', ...argv);
      assert.equal(visits.at(-1)?.command, command);
    }
  });

  test('takes user, port, time, known hosts and the agent from the flags and the environment', async () => {
    terminal.env['HOME'] = '/root';
    await run('ssh', '2c7d');
    const { options } = visits[0] ?? {};
    assert.deepEqual(options, { username: 'core', timeoutMs: 10_000, knownHostsFile: '/root/.fleetctl/known_hosts', forwardsAgent: false });
    terminal.env['FLEETCTL_SSH_USERNAME'] = 'ann';
    terminal.env['FLEETCTL_STRICT_HOST_KEY_CHECKING'] = 'false';
    await run('ssh', '-A', '--ssh-timeout=2.5', '--ssh-port=2222', '--tunnel=bastion:23', '2c7d');
    assert.deepEqual(visits[1]?.options, { username: 'ann', timeoutMs: 2_500, knownHostsFile: null, forwardsAgent: true });
    assert.deepEqual(visits[1]?.destination, { host: one?.address, port: 2_222, through: { host: 'bastion', port: 23 } });
  });

  const slips: readonly { readonly argv: readonly string[]; readonly code: number; readonly says: string | RegExp }[] = [
    { argv: [], code: 1, says: 'Unable to proceed: one machine or unit must be provided' },
    { argv: ['nothere'], code: 1, says: 'Unable to proceed: could not find matching unit or machine' },
    { argv: ['--machine=77'], code: 1, says: 'Unable to proceed: could not find matching unit or machine' },
    { argv: ['--unit=no.service'], code: 1, says: 'Unable to proceed: could not find matching unit or machine' },
    { argv: ['--unit=a', '--machine=2c'], code: 1, says: 'Both machine and unit flags provided, please specify only one.' },
    { argv: ['--ssh-port=0', '2c7d'], code: 2, says: /"0" for flag --ssh-port/ },
    { argv: ['--tunnel=a:b', '2c7d'], code: 2, says: /invalid value "a:b" for flag --tunnel/ },
    { argv: ['everywhere'], code: 1, says: /everywhere\.service is on several machines, name one of 2c7d\w+, 99f4\w+$/ },
    { argv: ['submitted'], code: 1, says: 'Unable to proceed: unit submitted.service is on no machine' },
  ];
  for (const { argv, code, says } of slips) {
    test(`${['ssh', ...argv].join(' ')} ends with ${code} and one line, and goes nowhere`, async () => {
      terminal.files.set('/home/everywhere.service', '[Service]\nExecStart=/bin/sleep 1\n[X-Fleet]\nGlobal=true\n');
      terminal.files.set('/home/submitted.service', '[Service]\nExecStart=/bin/sleep 1\n');
      await run('start', '--no-block', 'everywhere');
      await run('submit', 'submitted');
      const ended = await run('ssh', ...argv);
      assert.match(ended.stderr, /^[^\n]+\n$/);
      if (typeof says === 'string') assert.equal(ended.stderr, `${says}\n`);
      else assert.match(ended.stderr.trimEnd(), says);
      assert.equal(visits.length, 0);
      assert.equal(ended.code, code);
    });
  }

  test('a beginning that several machines have is refused with their ids', async () => {
    const [first] = api.cluster.machines;
    if (first !== undefined) api.cluster.machines.push({ ...first, id: '2c7d0000000000000000000000000000' });
    const { code, stderr } = await run('ssh', '2c7d');
    assert.equal(code, 1);
    assert.match(stderr, /"2c7d" can mean the machines 2c7d7478\w+, 2c7d0000\w+; write more of it\n$/);
  });

  test('a machine without an address, and one that SSH does not reach, are told in one line', async () => {
    api.cluster.machines = api.cluster.machines.map((machine) => ({ ...machine, address: '' }));
    assert.equal((await run('ssh', '2c7d')).stderr, 'Could not determine address of machine.\n');
    api.cluster.machines = [...fakeMachines];
    const failing = await terminal.run(['ssh', '2c7d'], { openSsh: () => Promise.reject(new SshFailure('no route')) });
    assert.deepEqual([failing.code, failing.stderr], [1, 'Failed building SSH client: no route\n']);
  });
});

describe('--tunnel', () => {
  test('leads to the endpoint as it is seen from its host, and is closed at the end', async () => {
    delete terminal.env['FLEETCTL_ENDPOINT'];
    assert.equal((await run('--tunnel=bastion', 'list-machines')).code, 0);
    assert.deepEqual(targets, [{ socketPath: '/var/run/fleet.sock' }]);
    assert.equal(closed, 1);
    terminal.env['FLEETCTL_TUNNEL'] = 'bastion:2222';
    assert.equal((await run('list-units', '--endpoint=http://10.0.0.1:49153')).code, 0);
    assert.partialDeepStrictEqual(targets.at(-1), { host: '10.0.0.1', port: 49_153 });
    assert.equal(closed, 2);
  });

  test('leads to etcd itself as well', async () => {
    let asked: unknown = null;
    const { code } = await terminal.run(['--tunnel=bastion', '--driver=etcd', '--endpoint=https://etcd.example:2379', 'list-units'], {
      openSsh,
      openEtcdDriver: async ({ endpoints, serverName }) => {
        asked = { endpoints, serverName };
        return { statuses: async () => ({ revision: 1, statuses: [] }), close: async () => undefined } as never;
      },
    });
    assert.equal(code, 0);
    assert.deepEqual(asked, { endpoints: ['https://127.0.0.1:12379'], serverName: 'etcd.example' });
    assert.equal(closed, 1);
  });

  test('that cannot be opened is one line, and nobody else is asked', async () => {
    const { code, stderr } = await terminal.run(['--tunnel=bastion', 'list-units'], {
      openSsh: () => Promise.reject(new SshFailure('cannot reach bastion: connection refused')),
    });
    assert.equal(code, 1);
    assert.equal(stderr, 'Unable to initialize client: failed initializing SSH client: cannot reach bastion: connection refused\n');
    assert.deepEqual(api.asked, []);
  });
});
