import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { FakeRefusal } from './fake-cluster.ts';
import { startFakeApi } from './fake-api.ts';
import type { FakeApi } from './fake-api.ts';
import { createFakeTerminal } from './fake-terminal.ts';
import type { FakeTerminal } from './fake-terminal.ts';
import { globalFlags } from './flags.ts';
import { programHelp, verbHelp } from './help.ts';
import { findVerb, verbs } from './verbs.ts';

const testdata = join(import.meta.dirname, 'testdata');
const folder = mkdtempSync(join(tmpdir(), 'fleetctl-test-'));
const socketPath = join(folder, 'fleet.sock');
let api: FakeApi;
let terminal: FakeTerminal;

before(async () => {
  api = await startFakeApi(socketPath);
});
after(async () => {
  await api.close();
  rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  await api.close();
  api = await startFakeApi(socketPath);
  terminal = createFakeTerminal(socketPath);
});

/** Splits a line as a shell does, as far as scenarios need it: blanks, and double quotes. */
function splitLine(line: string): readonly string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

const marked = (mark: string, text: string): string =>
  text === ''
    ? ''
    : text
        .replace(/\n$/, '')
        .split('\n')
        .map((line) => `${mark}> ${line}\n`)
        .join('');

/**
 * Runs a scenario: `$ fleetctl ...` is a command, `$ file PATH` begins a file (lines with `| `), the rest is output.
 * UPDATE_GOLDEN=1 rewrites the files; read the difference before you commit it.
 */
async function runScenario(text: string): Promise<string> {
  let shown = '';
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (line.startsWith('#') || line === '') shown += at === lines.length - 1 ? '' : `${line}\n`;
    if (line.startsWith('$ file ')) {
      let end = at + 1;
      while (lines[end]?.startsWith('|') === true) end += 1;
      const body = lines.slice(at + 1, end);
      terminal.files.set(line.slice('$ file '.length), body.map((each) => `${each.slice(2)}\n`).join(''));
      shown += `${[line, ...body].join('\n')}\n`;
    }
    if (line.startsWith('$ fleetctl')) {
      const { code, stdout, stderr } = await terminal.run(splitLine(line.slice('$ fleetctl'.length)));
      shown += `${line}\n${marked('1', stdout)}${marked('2', stderr)}rc=${code}\n`;
    }
  }
  return shown;
}

describe('fleetctl prints what its recorded runs show', () => {
  for (const name of [
    'units',
    'replace',
    'global',
    'lists',
    'machines',
    'status-and-journal',
    'explain',
    'release',
    'wrong-usage',
    'verify',
    'ports',
  ]) {
    test(name, async () => {
      const path = join(testdata, `${name}.txt`);
      const wanted = readFileSync(path, 'utf8');
      const shown = await runScenario(wanted);
      if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, shown);
      else assert.equal(shown, wanted);
    });
  }
});

test('fleetctl without arguments, help, --help and -h print the same, with the version in it', async () => {
  const expected = { code: 0, stdout: programHelp('2.0.0'), stderr: '' };
  for (const argv of [[], ['help'], ['--help'], ['-h'], ['--h'], ['help', '--help']])
    assert.deepEqual(await terminal.run(argv), expected);
  assert.match(expected.stdout, /^VERSION:\n\t2\.0\.0$/m);
});

test('every verb prints its own help, whichever way it is asked for', async () => {
  for (const verb of verbs.filter(({ name }) => name !== 'help')) {
    const expected = { code: 0, stdout: verbHelp(verb), stderr: '' };
    for (const argv of [
      ['help', verb.name],
      [verb.name, '--help'],
      ['-h', verb.name],
    ])
      assert.deepEqual(await terminal.run(argv), expected);
  }
});

test('a beginning that fleet 1.0 understood means the same verb, however many verbs have come since', () => {
  const meant = (word: string): string => {
    const verb = findVerb(word);
    return verb.ok ? verb.value.name : verb.failure.code;
  };
  for (const [word, name] of [
    ['d', 'destroy'], ['des', 'destroy'], ['c', 'cat'], ['f', 'fd-forward'], ['h', 'help'], ['r', 'restart'], ['res', 'restart'],
    ['u', 'unload'], ['un', 'unload'], ['list-m', 'list-machines'],
  ] as const) assert.equal(meant(word), name, word);
  assert.deepEqual(['dr', 'rel', 'unc', 'ex'].map(meant), ['drain', 'release', 'uncordon', 'explain']);
  assert.deepEqual(['s', 'l', 'v', 'e', 'reb', 'resto'].map(meant), [...Array<string>(4).fill('USAGE_INVALID'), 'rebalance', 'restore']);
});

test('help fits a terminal of 80 columns', () => {
  const columnsOf = (line: string): number => [...line].reduce((at, sign) => (sign === '\t' ? at + 8 - (at % 8) : at + 1), 0);
  const texts = [programHelp('2.0.0'), ...verbs.map(verbHelp)];
  assert.deepEqual(texts.flatMap((text) => text.split('\n')).filter((line) => columnsOf(line) > 80), []);
});

test('the version is one line, whichever way it is asked for', async () => {
  for (const argv of [['version'], ['--version'], ['-v'], ['vers']]) {
    assert.deepEqual(await terminal.run(argv), { code: 0, stdout: 'fleetctl version 2.0.0\n', stderr: '' });
  }
});

test('a flag of the same name is of the same kind for every verb', () => {
  const kinds = new Map<string, string>();
  for (const flag of [...globalFlags, ...verbs.flatMap((verb) => verb.flags)]) {
    assert.equal(kinds.get(flag.name) ?? flag.kind, flag.kind, flag.name);
    kinds.set(flag.name, flag.kind);
  }
});

test('global flags are read from the environment, and the command line wins', async () => {
  terminal.env['FLEETCTL_ENDPOINT'] = 'nonsense';
  assert.equal((await terminal.run(['list-units'])).stderr, 'Unable to initialize client: URL scheme undefined\n');
  assert.equal((await terminal.run(['list-units', `--endpoint=unix://${socketPath}`])).code, 0);
  terminal.env['FLEETCTL_REQUEST_TIMEOUT'] = 'soon';
  const slip = await terminal.run(['list-units']);
  assert.equal(slip.code, 2);
  assert.equal(
    slip.stderr,
    'invalid value "soon" for FLEETCTL_REQUEST_TIMEOUT: must be a number of seconds greater than 0\n',
  );
});

test('flags of verbs are not read from the environment', async () => {
  terminal.env['FLEETCTL_NO_LEGEND'] = 'true';
  assert.equal((await terminal.run(['list-units'])).stdout, 'UNIT\tMACHINE\tACTIVE\tSUB\n');
});

test('start is one apply and one event stream, whatever the number of units', async () => {
  terminal.files.set('/home/app@.service', '[Service]\nExecStart=/bin/sleep 1\n');
  const { code, stdout } = await terminal.run(['start', 'app@{1..200}.service']);
  assert.equal(code, 0);
  assert.equal(stdout.split('\n').filter((line) => line.includes(' launched on ')).length, 200);
  assert.deepEqual(
    api.asked.map((line) => line.replace(/\?.*/, '')),
    ['POST /fleet/v2/apply', 'POST /fleet/v2/events'],
  );
});

test('an order of more units than one request may name goes in several', async () => {
  terminal.files.set('/home/app@.service', '[Service]\nExecStart=/bin/sleep 1\n');
  assert.equal((await terminal.run(['submit', 'app@{1..2500}'])).code, 0);
  assert.equal(api.asked.length, 3);
  assert.equal(api.cluster.units.size, 2_500);
  const { stdout } = await terminal.run(['destroy', 'app@{1..2500}']);
  assert.equal(stdout.split('\n').length, 2_501);
});

test('a wait survives broken streams', async () => {
  terminal.files.set('/home/slow.service', '[Service]\nExecStart=/bin/sleep 1\n[X-Fleet]\nMachineMetadata=az=x\n');
  let breaks = 0;
  const breaking = setInterval(() => {
    breaks += 1;
    api.breakStreams();
  }, 1);
  const { stderr, code } = await terminal.run(['start', 'slow']);
  clearInterval(breaking);
  assert.ok(breaks > 0);
  assert.equal(code, 1);
  assert.match(stderr, /^Unit slow\.service is on no machine/m);
});

test('Ctrl-C ends the wait with 130 and says that the request stands', async () => {
  terminal.files.set('/home/slow.service', '[Service]\nExecStart=/bin/sleep 1\n[X-Fleet]\nMachineMetadata=az=x\n');
  const interruption = new AbortController();
  const running = terminal.run(['start', 'slow'], { interrupted: interruption.signal });
  while (!api.asked.some((line) => line.includes('/events'))) await new Promise(setImmediate);
  interruption.abort(new Error('ended by SIGINT'));
  const { code, stderr } = await running;
  assert.equal(code, 130);
  assert.match(stderr, /^Interrupted: the request stands/m);
  assert.ok(api.cluster.units.has('slow.service'));
});

test('a cluster that can never grow is said to be one', async () => {
  api.cluster.machines = api.cluster.machines.slice(0, 1).map((machine) => ({ ...machine, store: 'embedded' }));
  assert.equal(
    (await terminal.run(['list-machines'])).stderr,
    'NOTE: embedded store: no machine outside this fleetd can join; set etcd_servers in fleet.conf for a cluster\n',
  );
});

test('what is shown while the store is away is said to be old', async () => {
  api.staleSince = '2026-01-02T03:04:05.000Z';
  const { code, stderr } = await terminal.run(['list-units']);
  assert.deepEqual([code, stderr], [0, 'NOTE: the store is away since 2026-01-02T03:04:05.000Z: what is shown was heard before that\n']);
  assert.equal((await terminal.run(['list-machines'])).stderr, '', 'its answer says more');
});

test('what the API complains about is one line with what was tried, exit 1', async () => {
  api.refusal = new FakeRefusal(503, 'STORE_UNAVAILABLE', 'fleet server unable to communicate with etcd');
  const said = async (argv: readonly string[]): Promise<string> => {
    const { code, stderr } = await terminal.run(argv);
    assert.equal(code, 1);
    return stderr;
  };
  assert.equal(
    await said(['list-units']),
    'Error retrieving list of units from repository: fleet server unable to communicate with etcd\n',
  );
  assert.equal(await said(['start', 'x']), 'Error starting units: fleet server unable to communicate with etcd\n');
  assert.match(
    await said(['list-machines']),
    /^Error retrieving list of active machines from fleet API \(fleet server unable .*\)\nPossible issues:\n/,
  );
});

describe('--etcd-key-prefix', () => {
  test('is served by the fleetd of that prefix, however it is written', async () => {
    api.keyPrefix = '/fleet';
    terminal.files.set('/var/run/fleet.sock', '');
    for (const prefix of ['/fleet', 'fleet', 'fleet/', '/fleet/']) {
      assert.equal((await terminal.run([`-etcd-key-prefix=${prefix}`, 'list-units'])).code, 0);
    }
  });

  test('of another cluster than the endpoint named is refused', async () => {
    const { code, stderr } = await terminal.run(['--etcd-key-prefix=/other', 'list-units']);
    assert.equal(code, 1);
    assert.match(stderr, /keeps its cluster under "\/_coreos\.com\/fleet", so it cannot be asked about "\/other"/);
  });

  test('goes to etcd itself when no fleetd of that prefix answers', async () => {
    delete terminal.env['FLEETCTL_ENDPOINT'];
    terminal.env['XDG_RUNTIME_DIR'] = folder;
    terminal.files.set(socketPath, '');
    let asked = '';
    const { code } = await terminal.run(['--etcd-key-prefix=/other', 'list-units'], {
      isRoot: false,
      openEtcdDriver: async ({ endpoints, keyPrefix }) => {
        asked = `${keyPrefix} at ${endpoints.join(' and ')}`;
        return { statuses: async () => ({ revision: 1, statuses: [] }), close: async () => undefined } as never;
      },
    });
    assert.equal(code, 0);
    assert.equal(asked, '/other at http://127.0.0.1:2379 and http://127.0.0.1:4001');
  });
});

test('rebalance shows the moves with what they are good for, and changes something only with --yes', async () => {
  const [one, two] = api.cluster.machines;
  const side = (machine: { readonly id: string; readonly address: string } | undefined, before: number, after: number) =>
    ({ machine: machine?.id ?? '', address: machine?.address ?? '', before, after });
  assert.deepEqual(await terminal.run(['rebalance']), { code: 0, stdout: 'No move would make the machines more even\n', stderr: '' });
  api.cluster.rebalance = { revision: 1, running: null, moves: [{ units: ['a.service', 'b.service'], from: side(one, 4, 2), to: side(two, 0, 2) }] };
  const table = 'UNIT\t\tFROM\t\t\tTO\t\t\tWHY\n' + ['a', 'b'].map((name) =>
    `${name}.service\t2c7d7478.../172.18.0.3\t99f4004d.../172.18.0.2\tload there from 4 to 2, here from 0 to 2\n`).join('');
  assert.deepEqual(await terminal.run(['rebalance']),
    { code: 0, stdout: table, stderr: 'NOTE: nothing was changed; "fleetctl rebalance --yes" moves 2 units\n' });
  const runs = (): boolean | undefined => api.cluster.rebalance.running?.fenced;
  assert.equal(runs(), undefined);
  const { stdout } = await terminal.run(['rebalance', '--yes', '--fenced']);
  assert.equal(stdout, `${table}2 units to move, a few at a time; "fleetctl rebalance" shows what is left, --stop ends it\n`);
  assert.equal(runs(), true);
  assert.equal((await terminal.run(['rebalance'])).stdout, `A rebalance goes on since 2023-11-14T22:13:20.000Z, by ann\n${table}`);
  assert.deepEqual(await terminal.run(['rebalance', '--stop']), { code: 0, stdout: 'The rebalance has ended; what was moved stays where it is\n', stderr: '' });
  assert.deepEqual(await terminal.run(['rebalance', '--stop']), { code: 1, stdout: '', stderr: 'Error rebalancing: no rebalance goes on\n' });
  assert.equal((await terminal.run(['rebalance', 'm1'])).code, 2);
  assert.equal((await terminal.run(['rebalance', '--yes', '--stop'])).code, 2);
});
