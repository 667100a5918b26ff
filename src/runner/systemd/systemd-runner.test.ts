/**
 * The runner on a real systemd: runs where systemd is process 1 and the tests are root (FLEET_TEST_SYSTEMD=1 insists on that).
 */
import { strict as assert } from 'node:assert';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { notStarted, outdated } from '../../core/unit.ts';
import type { UnitName } from '../../core/unit-name.ts';
import { createLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { systemClock as clock } from '../../lib/system-clock.ts';
import { fenceContract } from '../fence.contract.ts';
import { contractTexts, renderContractUnit, runnerContract } from '../runner.contract.ts';
import type { RunnerUnderTest } from '../runner.contract.ts';
import { RunnerUnavailable } from '../runner.ts';
import type { Observation, RenderedUnit, UnitInspector, UnitRunner } from '../runner.ts';
import { openSystemdRunner, systemdAddresses } from './systemd-runner.ts';
import type { SystemdRunnerOptions } from './systemd-runner.ts';

const insisted = process.env['FLEET_TEST_SYSTEMD'] === '1';
const present = readFileSync('/proc/1/comm', 'utf8').trim() === 'systemd' && process.getuid?.() === 0;
assert.ok(present || !insisted, 'FLEET_TEST_SYSTEMD=1, but systemd is not process 1 here or the user is not root');

/** The longest a test waits for something; a slow machine must not fail a test. */
const WAIT_MS_MAX = 60_000;
const userRuntimeDirectory = '/run/fleet-test-user';
const unitsDirectory = '/run/fleet-test/units';
const keeper = new URL('../../../native/keeper/keeper', import.meta.url).pathname;

const onPrivateSocket = { user: false, userRuntimeDirectory: '', addresses: systemdAddresses('').filter(({ direct }) => direct) };
const onSystemBus = { ...onPrivateSocket, addresses: systemdAddresses('').filter(({ direct }) => !direct) };
const onUserInstance = { user: true, userRuntimeDirectory };
type Instance = Pick<SystemdRunnerOptions, 'user' | 'userRuntimeDirectory' | 'addresses'>;

const execute = promisify(execFile);
/** What a command prints, whatever its exit status. */
async function output(command: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(command, args).catch((error: unknown) => error as { stdout: string });
  return stdout.trim();
}

interface Opened {
  readonly runner: UnitRunner;
  readonly inspector: UnitInspector;
  end(): Promise<void>;
}

async function open(stateDirectory: string, instance: Instance, units = unitsDirectory): Promise<Opened> {
  // Trouble is made on purpose here; that the runner tells of it is not the test's business.
  const log = createLog('runner', 'error', (line) => process.stderr.write(`${line}\n`));
  const { runner, inspector, run } = await openSystemdRunner(
    { unitsDirectory: units, stateDirectory, keeper, ...instance }, { clock, random: seededRandom(1), log });
  const ending = new AbortController();
  const running = run(ending.signal);
  return {
    runner, inspector,
    async end() {
      ending.abort();
      await running;
    },
  };
}

async function startUserInstance(): Promise<void> {
  if ((await output('systemctl', 'is-active', 'fleet-test-user.service')) === 'active') return;
  await mkdir(userRuntimeDirectory, { recursive: true });
  await execute('systemd-run', ['--unit=fleet-test-user', '--property=Delegate=yes', '--property=Type=notify',
    `--setenv=XDG_RUNTIME_DIR=${userRuntimeDirectory}`, '/lib/systemd/systemd', '--user']);
}

function contractOver(implementation: string, instance: Instance): void {
  const openOne = async (): Promise<RunnerUnderTest> => {
    if (instance.user) await startUserInstance();
    const stateDirectory = await mkdtemp('/run/fleet-test-state-');
    let current = await open(stateDirectory, instance);
    return {
      runner: current.runner,
      async reopen() {
        await current.end();
        current = await open(stateDirectory, instance);
        return current.runner;
      },
      async close() {
        await current.end();
        await rm(stateDirectory, { recursive: true });
      },
    };
  };
  runnerContract(implementation, openOne);
  // How systemd is reached makes no difference to a fence.
  if (instance !== onSystemBus) fenceContract(implementation, openOne, clock);
}

interface Bench {
  readonly runner: UnitRunner;
  readonly inspector: UnitInspector;
  readonly signal: AbortSignal;
  readonly stateDirectory: string;
  load(...units: readonly RenderedUnit[]): Promise<void>;
  start(...names: readonly UnitName[]): Promise<void>;
  until(name: UnitName, holds: (seen: Observation) => boolean): Promise<Observation>;
  observed(name: UnitName): Promise<Observation>;
  reopen(): Promise<void>;
}

const sleeper = (name: string, more = ''): RenderedUnit => renderContractUnit(name, `${contractTexts.sleeper}${more}`);

/** Runs `body` with a runner that has nothing loaded, and removes everything it has loaded afterwards. */
async function withRunner(body: (bench: Bench) => Promise<void>, instance: Instance = onPrivateSocket): Promise<void> {
  const stateDirectory = await mkdtemp('/run/fleet-test-state-');
  const signal = AbortSignal.timeout(4 * WAIT_MS_MAX);
  let current = await open(stateDirectory, instance);
  const observed = async (name: UnitName): Promise<Observation> => {
    const seen = (await current.runner.observe(signal)).get(name);
    assert.ok(seen, `${name} is not observed`);
    return seen;
  };
  const until = async (name: UnitName, holds: (seen: Observation) => boolean): Promise<Observation> => {
    let seen: Observation | undefined;
    const late = AbortSignal.timeout(WAIT_MS_MAX);
    try {
      for await (const names of current.runner.changes(late)) {
        if (names.length > 0 && !names.includes(name)) continue;
        // The connection may be away for a moment in these tests; changes() tells when it is back.
        seen = await observed(name).catch((error: unknown) => {
          if (error instanceof RunnerUnavailable) return undefined;
          throw error;
        });
        if (seen !== undefined && holds(seen)) return seen;
      }
    } catch (error) {
      if (!late.aborted) throw error;
    }
    return assert.fail(`${name} does not get there; last seen: ${JSON.stringify(seen)}`);
  };
  try {
    await body({
      get runner() { return current.runner; },
      get inspector() { return current.inspector; },
      signal, stateDirectory, until, observed,
      load: async (...units) => assert.deepEqual(await current.runner.load(units, signal), []),
      start: async (...names) => assert.deepEqual(await current.runner.start(names.map((name) => ({ name, restart: 0 })), signal), []),
      async reopen() {
        await current.end();
        current = await open(stateDirectory, instance);
      },
    });
  } finally {
    const names = [...(await current.runner.observe(signal)).keys()];
    await current.runner.stop(names, signal);
    for (const name of names) await until(name, ({ active }) => active === 'inactive' || active === 'failed');
    await current.runner.unload(names, signal);
    await current.end();
    await rm(stateDirectory, { recursive: true, force: true });
  }
}

/** A promise about one real systemd, named by a sentence. */
function promise(sentence: string, body: (bench: Bench) => Promise<void>): void {
  test(`systemd: ${sentence}`, { timeout: 4 * WAIT_MS_MAX }, () => withRunner(body));
}

const processIsAlive = (pid: number): boolean => existsSync(`/proc/${String(pid)}`);

if (present) {
  contractOver("systemd's private socket", onPrivateSocket);
  contractOver('systemd over the system bus', onSystemBus);
  contractOver("a user's systemd", onUserInstance);

  promise('a loaded unit is linked at run time, an unloaded one leaves nothing', async ({ runner, load, signal }) => {
    const unit = renderContractUnit('fleet-test-a@1.service', contractTexts.worker);
    await load({ ...unit, dropIns: { '10-fleet.conf': '[Service]\nEnvironment=X=1\n' } });
    assert.equal(await output('systemctl', 'is-enabled', unit.name), 'linked-runtime');
    assert.equal(await readlink(`/run/systemd/system/${unit.name}`), `${unitsDirectory}/${unit.name}`);
    assert.equal((await stat(`${unitsDirectory}/${unit.name}`)).mode & 0o777, 0o644);
    assert.equal(await output('systemctl', 'show', '--property=Environment', unit.name), 'Environment=X=1');
    assert.equal(await output('systemctl', 'show', '--property=NeedDaemonReload', unit.name), 'NeedDaemonReload=no');
    assert.deepEqual(await runner.unload([unit.name], signal), []);
    const left = (await readdir('/run/systemd/system')).filter((file) => file.startsWith('fleet-test-a'));
    assert.deepEqual([...left, ...await readdir(unitsDirectory)], []);
  });

  promise('a link that somebody else has pointed elsewhere stays', async ({ runner, load, signal }) => {
    const unit = sleeper('fleet-test-link.service');
    await load(unit);
    const link = `/run/systemd/system/${unit.name}`;
    await rm(link);
    await symlink('/dev/null', link);
    assert.deepEqual(await runner.unload([unit.name], signal), []);
    assert.equal(await readlink(link), '/dev/null');
    assert.deepEqual(await readdir(unitsDirectory), []);
    await rm(link);
  });

  promise('what of a fence cannot be removed is told, and it is down all the same', async ({ runner: { fence }, signal, stateDirectory }) => {
    const lostAfterMs = 77_000;
    assert.equal(await fence.raise({ lostAfterMs, untilMs: clock.uptimeMs() + lostAfterMs }, signal), null);
    const fifo = `${stateDirectory}/fences/${String(lostAfterMs)}`;
    await rm(fifo);
    await mkdir(fifo);
    assert.match(await fence.lower(lostAfterMs, signal) ?? '', new RegExp(`^its fence cannot be lowered: cannot remove ${fifo}: `));
    while ((await fence.standing(signal)).size > 0) await clock.sleep(10, signal); // systemd stops it in its own time.
    await rm(fifo, { recursive: true });
    assert.equal(await fence.lower(lostAfterMs, signal), null);
    assert.deepEqual((await readdir('/run/systemd/system')).filter((file) => file.startsWith('fleet-fence')), []);
  });

  promise('a drop-in that somebody else put beside ours stays', async ({ runner, load, signal }) => {
    const unit = sleeper('fleet-test-dropin.service');
    await load({ ...unit, dropIns: { '10-fleet.conf': '[Unit]\n' } });
    await writeFile(`/run/systemd/system/${unit.name}.d/owner.conf`, '[Unit]\n');
    await runner.unload([unit.name], signal);
    assert.deepEqual(await readdir(`/run/systemd/system/${unit.name}.d`), ['owner.conf']);
    await rm(`/run/systemd/system/${unit.name}.d`, { recursive: true });
  });

  promise('a drop-in that a new rendering lacks is removed', async ({ load }) => {
    const unit = sleeper('fleet-test-dropin.service');
    await load({ ...unit, dropIns: { '10-fleet.conf': '[Service]\nEnvironment=X=1\n' }, renderedHash: 'one' });
    await load({ ...unit, dropIns: {}, renderedHash: 'two' });
    assert.equal(await output('systemctl', 'show', '--property=Environment', unit.name), 'Environment=');
  });

  promise('[Install] makes links, which count once systemd has been reloaded, and unloading removes them', async (bench) => {
    const target = renderContractUnit('fleet-test-app.target', '[Unit]\nDescription=app\n');
    const member = sleeper('fleet-test-member.service', '\n[Install]\nWantedBy=fleet-test-app.target\nAlias=fleet-test-other.service\n');
    await bench.load(target);
    await bench.start(target.name);
    await bench.until(target.name, ({ active }) => active === 'active');
    await bench.load(member);
    assert.equal((await bench.observed(member.name)).needsReload, true);
    await bench.runner.reload(bench.signal);
    assert.equal((await bench.observed(member.name)).needsReload, false);
    assert.equal(await output('systemctl', 'is-enabled', member.name), 'enabled-runtime');
    await bench.runner.restart([{ name: target.name, restart: 1 }], bench.signal);
    await bench.until(member.name, ({ active }) => active === 'active');
    await bench.runner.stop([member.name, target.name], bench.signal);
    await bench.until(member.name, ({ active }) => active === 'inactive');
    assert.deepEqual(await bench.runner.unload([member.name], bench.signal), []);
    const left = (await readdir('/run/systemd/system', { recursive: true })).filter((file) => /member|other/.test(file));
    assert.deepEqual(left, []);
  });

  promise("a unit of the machine's own is refused, not shadowed", async ({ runner, signal }) => {
    await writeFile('/run/systemd/system/fleet-test-own@.service', contractTexts.sleeper);
    await execute('systemctl', ['start', 'fleet-test-own@x.service']);
    const alias = sleeper('fleet-test-alias.service', '\n[Install]\nAlias=debug-shell.service\n');
    const problems = await runner.load(
      [sleeper('debug-shell.service'), alias, sleeper('fleet-test-own@x.service'), sleeper('fleet-test-fine.service')], signal);
    assert.deepEqual(problems.map(({ name }) => name).sort(), [alias.name, 'fleet-test-own@x.service', 'debug-shell.service'].sort());
    assert.match(problems[0]?.why ?? '', /^the name is taken on this machine by \/\S+\/debug-shell\.service, .*choose another name/);
    assert.deepEqual([...(await runner.observe(signal)).keys()], ['fleet-test-fine.service']);
    assert.match(await output('systemctl', 'show', '--property=FragmentPath', 'debug-shell.service'), /=(\/usr)?\/lib\//);
    await execute('systemctl', ['stop', 'fleet-test-own@x.service']);
    await rm('/run/systemd/system/fleet-test-own@.service');
  });

  promise('every type of unit that can be linked runs', async ({ load, start, until }) => {
    await mkdir('/run/fleet-test-mount', { recursive: true });
    const units = [
      renderContractUnit('fleet-test.socket', '[Socket]\nListenStream=/run/fleet-test.sock\n'),
      renderContractUnit('fleet-test.timer', '[Timer]\nOnActiveSec=1h\n'),
      renderContractUnit('fleet-test.path', '[Path]\nPathExists=/run/fleet-test-never\n'),
      sleeper('fleet-test-alone.service'),
      renderContractUnit('fleet-test.target', '[Unit]\nDescription=t\n'),
      renderContractUnit('run-fleet\\x2dtest\\x2dmount.mount', '[Mount]\nWhat=tmpfs\nWhere=/run/fleet-test-mount\nType=tmpfs\n'),
      renderContractUnit('fleettest.slice', '[Slice]\nTasksMax=10\n'),
    ];
    // What socket, timer and path would start must be there; it does not run, or they would show that.
    await load(sleeper('fleet-test.service'), ...units);
    await start(...units.map(({ name }) => name));
    const subs = new Map<string, string>();
    for (const { name } of units) subs.set(name, (await until(name, ({ active }) => active === 'active')).sub);
    assert.deepEqual([...subs.values()], ['listening', 'waiting', 'waiting', 'running', 'active', 'mounted', 'active']);
  });

  // A machine whose kernel or container has no autofs can run no automount at all.
  if (existsSync('/dev/autofs')) {
    promise('an automount mounts its place when somebody enters it', async ({ load, start, until }) => {
      const where = '[Mount]\nWhat=tmpfs\nWhere=/run/fleet-test-auto\nType=tmpfs\n';
      const mount = renderContractUnit('run-fleet\\x2dtest\\x2dauto.mount', where);
      const auto = renderContractUnit('run-fleet\\x2dtest\\x2dauto.automount', '[Automount]\nWhere=/run/fleet-test-auto\n');
      await load(mount, auto);
      await start(auto.name);
      assert.equal((await until(auto.name, ({ active }) => active === 'active')).sub, 'waiting');
      await readdir('/run/fleet-test-auto');
      assert.equal((await until(auto.name, ({ sub }) => sub === 'running')).active, 'active');
    });
  }

  promise('a start that waits for another unit is observed as activating', async ({ load, start, observed, until }) => {
    const slow = renderContractUnit('fleet-test-slow.service', '[Service]\nType=oneshot\nExecStart=/bin/sleep 2\n');
    const next = renderContractUnit('fleet-test-next.service',
      `[Unit]\nAfter=${slow.name}\n[Service]\nType=oneshot\nExecStart=/bin/true\n`);
    await load(slow, next);
    await start(slow.name, next.name);
    const seen = await observed(next.name);
    assert.deepEqual([seen.active, seen.succeeded], ['activating', false]);
    await until(next.name, ({ succeeded }) => succeeded);
  });

  promise('a start that fails for its dependency says so', async ({ load, start, until }) => {
    const needed = renderContractUnit('fleet-test-needed.service', contractTexts.failingWorker);
    const unit = sleeper('fleet-test-needy.service').text
      .replace('[Service]', `[Unit]\nRequires=${needed.name}\nAfter=${needed.name}\n[Service]`);
    const needy = renderContractUnit('fleet-test-needy.service', unit);
    await load(needed, needy);
    await start(needy.name);
    assert.equal((await until(needy.name, ({ result }) => result !== 'success')).result, 'dependency');
  });

  promise('a oneshot without rights, in a sandbox, is remembered as succeeded all the same', async ({ load, start, until }) => {
    const text = `${contractTexts.worker}User=nobody\nProtectSystem=strict\nPrivateTmp=yes\nReadOnlyPaths=/\n`;
    const unit = renderContractUnit('fleet-test-a\\x2db@50-x:y.service', text);
    await load(unit);
    await start(unit.name);
    assert.equal((await until(unit.name, ({ succeeded }) => succeeded)).result, 'success');
  });

  promise('a oneshot that is stopped before its end has not succeeded', async ({ runner, load, start, until, signal }) => {
    const unit = renderContractUnit('fleet-test-long.service', contractTexts.worker.replace('/bin/true', '/bin/sleep 1000'));
    await load(unit);
    await start(unit.name);
    await until(unit.name, ({ mainPid }) => mainPid > 0);
    await runner.stop([unit.name], signal);
    assert.equal((await until(unit.name, ({ active, mainPid }) => mainPid === 0 && active !== 'deactivating')).succeeded, false);
  });

  promise('a oneshot with RemainAfterExit=yes is active and has succeeded', async ({ load, start, until }) => {
    const unit = renderContractUnit('fleet-test-remain.service', `${contractTexts.worker}RemainAfterExit=yes\n`);
    await load(unit);
    await start(unit.name);
    const seen = await until(unit.name, ({ active }) => active === 'active');
    assert.deepEqual([seen.sub, seen.succeeded, seen.exitStatus], ['exited', true, 0]);
  });

  promise('restarts by systemd itself are counted', async ({ load, start, until }) => {
    const unit = renderContractUnit('fleet-test-flap.service',
      "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sh -c 'exit 1'\nRestart=always\nRestartSec=50ms\n");
    await load(unit);
    await start(unit.name);
    assert.ok((await until(unit.name, ({ restarts }) => restarts >= 3)).restarts >= 3);
  });

  promise('a unit that somebody else stops or reloads is observed as it is', async ({ load, start, until, signal, runner }) => {
    const unit = sleeper('fleet-test-watched.service');
    await load(unit);
    await start(unit.name);
    const running = await until(unit.name, ({ active }) => active === 'active');
    await execute('systemctl', ['daemon-reload']);
    assert.deepEqual((await runner.observe(signal)).get(unit.name), running);
    await execute('systemctl', ['stop', unit.name]);
    await until(unit.name, ({ active }) => active === 'inactive');
  });

  promise('a file removed by hand is no longer observed', async ({ load, runner, signal }) => {
    const unit = sleeper('fleet-test-removed.service');
    await load(unit);
    await rm(`${unitsDirectory}/${unit.name}`);
    assert.equal((await runner.observe(signal)).size, 0);
    await load(unit);
    assert.equal((await runner.observe(signal)).size, 1);
  });

  promise('a link that somebody removed is made again by the next load, and nothing is restarted', async (bench) => {
    const unit = sleeper('fleet-test-disabled.service');
    await bench.load(unit);
    await bench.start(unit.name);
    const before = await bench.until(unit.name, ({ active }) => active === 'active');
    await execute('systemctl', ['disable', '--runtime', unit.name]);
    await execute('systemctl', ['daemon-reload']);
    await bench.until(unit.name, ({ renderedHash }) => renderedHash === '');
    await bench.load(unit);
    await bench.runner.reload(bench.signal);
    assert.deepEqual(await bench.observed(unit.name), { ...before, load: 'loaded' });
  });

  promise('when the memory of units is lost, what runs the same files is left alone', async (bench) => {
    const [same, other] = [sleeper('fleet-test-same.service'), sleeper('fleet-test-other.service')];
    await bench.load(same, other);
    await bench.start(same.name, other.name);
    const before = await bench.until(same.name, ({ active }) => active === 'active');
    await bench.until(other.name, ({ active }) => active === 'active');
    await rm(`${bench.stateDirectory}/units`, { recursive: true });
    // Another fleet, from which it may have come, lays its text out in another way.
    await writeFile(`${unitsDirectory}/${same.name}`, `# a comment\n\n${same.text}\n\n`);
    await bench.reopen();
    assert.equal((await bench.observed(same.name)).renderedHash, '');
    await bench.load(same, renderContractUnit(other.name, contractTexts.otherSleeper));
    const after = await bench.observed(same.name);
    assert.deepEqual([after.mainPid, after.restart], [before.mainPid, notStarted]);
    assert.equal((await bench.observed(other.name)).restart, outdated);
  });

  promise('the death of fleetd leaves units running, and the next one observes them', async (bench) => {
    const unit = sleeper('fleet-test-orphan.service');
    const script = `
      import { openSystemdRunner } from '${import.meta.dirname}/systemd-runner.ts';
      import { systemClock as clock } from '${import.meta.dirname}/../../lib/system-clock.ts';
      const log = { error() {}, warning() {}, info() {}, debug() {} };
      const { runner, run } = await openSystemdRunner(
        ${JSON.stringify({ unitsDirectory, stateDirectory: bench.stateDirectory, keeper, user: false, userRuntimeDirectory: '' })},
        { clock, random: { next: () => 0.5 }, log });
      const signal = new AbortController().signal;
      void run(signal);
      await runner.load([${JSON.stringify(unit)}], signal);
      await runner.start([{ name: '${unit.name}', restart: 7 }], signal);
      process.stdout.write('started');
      setInterval(() => undefined, 1_000);`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.equal(String((await once(child.stdout, 'data'))[0]), 'started');
    child.kill('SIGKILL');
    await once(child, 'exit');
    await bench.reopen();
    const seen = await bench.until(unit.name, ({ active }) => active === 'active');
    assert.equal(seen.restart, 7);
    assert.ok(processIsAlive(seen.mainPid));
  });

  promise('systemd re-executing itself is survived: units keep their processes, the runner comes back', async (bench) => {
    const unit = sleeper('fleet-test-reexec.service');
    await bench.load(unit);
    await bench.start(unit.name);
    const before = await bench.until(unit.name, ({ active }) => active === 'active');
    await execute('systemctl', ['daemon-reexec']);
    const after = await bench.until(unit.name, ({ active }) => active === 'active');
    assert.equal(after.mainPid, before.mainPid);
    await bench.runner.restart([{ name: unit.name, restart: 1 }], bench.signal).catch(async (error: unknown) => {
      // The call may have been on its way when systemd went; asking again is the agent's answer to that.
      assert.ok(error instanceof RunnerUnavailable);
      await bench.runner.restart([{ name: unit.name, restart: 1 }], bench.signal);
    });
    await bench.until(unit.name, ({ active, mainPid }) => active === 'active' && mainPid !== before.mainPid);
  });

  test('systemd: without its message bus, over which it was reached, units keep running and the runner comes back with it', async () => {
    await withRunner(async ({ runner, load, start, until, signal }) => {
      const unit = sleeper('fleet-test-bus.service');
      await load(unit);
      await start(unit.name);
      const before = await until(unit.name, ({ active }) => active === 'active');
      await execute('systemctl', ['stop', 'dbus.socket', 'dbus.service']);
      await assert.rejects(runner.observe(signal), RunnerUnavailable, 'what is not known is not made up');
      await assert.rejects(runner.stop([unit.name], signal), RunnerUnavailable);
      assert.ok(processIsAlive(before.mainPid));
      await execute('systemctl', ['start', 'dbus.socket', 'dbus.service']);
      const after = await until(unit.name, ({ active }) => active === 'active');
      assert.equal(after.mainPid, before.mainPid);
    }, onSystemBus);
  });

  for (const [trouble, options, reason] of [
    ['full', 'size=4k', /^cannot write \/run\/fleet-test-small\/fleet-test-big\.service: ENOSPC: no space left on device$/],
    ['read-only', 'ro', /^cannot write \/run\/fleet-test-small\/fleet-test-big\.service: EROFS: read-only file system$/],
  ] as const) {
    test(`systemd: a ${trouble} unit directory is a problem that names path and reason, and leaves nothing behind`, async () => {
      const directory = '/run/fleet-test-small';
      const stateDirectory = await mkdtemp('/run/fleet-test-state-');
      await mkdir(directory, { recursive: true });
      await execute('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory]);
      const signal = AbortSignal.timeout(WAIT_MS_MAX);
      const { runner, end } = await open(stateDirectory, onPrivateSocket, directory);
      try {
        const big = sleeper('fleet-test-big.service', `# ${'x'.repeat(10_000)}\n`);
        const [problem] = await runner.load([{ ...big, dropIns: { '10-fleet.conf': '[Unit]\n' } }], signal);
        assert.equal(problem?.name, big.name);
        assert.match(problem.why, reason);
        assert.deepEqual(await readdir(directory), []);
        assert.deepEqual((await readdir('/run/systemd/system')).filter((file) => file.includes('fleet-test-big')), []);
        assert.deepEqual(await readdir(`${stateDirectory}/units`), []);
        assert.equal((await runner.observe(signal)).size, 0);
      } finally {
        await end();
        await execute('umount', [directory]);
        await rm(stateDirectory, { recursive: true });
      }
    });
  }

  promise('status and journal are what systemctl and journalctl say', async ({ inspector, load, start, until, signal }) => {
    // A name of its own for each run: the journal of a machine remembers earlier ones.
    const name = `fleet-test-talk-${String(process.pid)}.service` as UnitName;
    const text = "[Service]\nExecStart=/bin/sh -c 'for n in 1 2 3; do echo line $$n; done; sleep 1; echo later; exec sleep 1000'\n";
    await load(renderContractUnit(name, text));
    await start(name);
    await until(name, ({ active }) => active === 'active');
    const ending = new AbortController();
    let heard = '';
    const following = (async (): Promise<void> => {
      for await (const lines of inspector.journal({ name, lines: 10, follow: true, output: 'cat' }, ending.signal)) {
        assert.ok(lines.endsWith('\n'));
        heard += lines;
        if (heard.includes('later')) ending.abort(new Error('heard enough'));
      }
    })();
    await assert.rejects(following, /heard enough/);
    assert.match(heard.replace(/^Started .*\n/m, ''), /^line 1\nline 2\nline 3\nlater\n/);
    let last = '';
    for await (const lines of inspector.journal({ name, lines: 1, follow: false, output: 'cat' }, signal)) last += lines;
    assert.equal(last, 'later\n');
    const running = await inspector.status(name, signal);
    assert.equal(running.exitStatus, 0);
    assert.match(running.text, /Active: active \(running\)/);
    const absent = await inspector.status('fleet-test-absent.service' as UnitName, signal);
    assert.equal(absent.exitStatus, 4);
    assert.match(absent.text, /could not be found/);
  });
}
