import { strict as assert } from 'node:assert';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { UnitName } from '../../core/unit-name.ts';
import { renderUnit } from '../../core/reconcile/render.ts';
import { notStarted, unfenced, withoutPorts } from '../../core/unit.ts';
import type { FileHash } from '../../core/unit.ts';
import { buildKeeper } from '../../host/native.ts';
import { createLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { systemClock } from '../../lib/system-clock.ts';
import { createBell } from '../../lib/wakeups.ts';
import type { Observation } from '../runner.ts';
import { renderContractUnit } from '../runner.contract.ts';
import { createKeeperClient } from './keeper-client.ts';
import { openSupervisorRunner } from './supervisor-runner.ts';
import type { Supervisor } from './supervisor-runner.ts';

const here = dirname(fileURLToPath(import.meta.url));
const keeper = await buildKeeper(join(here, '../../../native/keeper'));
const log = createLog('supervisor', 'debug', () => undefined);
const isRoot = process.getuid?.() === 0;

/** The longest anything may take to happen; a slow machine must not fail a test. */
const WAIT_MS_MAX = 60_000;
const late = (): AbortSignal => AbortSignal.timeout(WAIT_MS_MAX);

/** A supervisor over a directory of its own. */
interface Bench {
  readonly directory: string;
  supervisor: Supervisor;
  /** Loads a service with these lines in [Service], and starts it. */
  start(lines: string, name?: string): Promise<UnitName>;
  load(lines: string, name?: string): Promise<UnitName>;
  until(name: UnitName, holds: (seen: Observation) => boolean): Promise<Observation>;
  ended(name: UnitName): Promise<Observation>;
  /** Messages of the journal, without the keeper's own. */
  output(name: UnitName): Promise<readonly string[]>;
  journal(name: UnitName): Promise<string>;
  status(name: UnitName): Promise<string>;
  stop(name: UnitName): Promise<Observation>;
  /** Forgets the supervisor as a crash does, and opens a new one. */
  reopen(): Promise<void>;
}

async function withBench(body: (bench: Bench) => Promise<void>, under = tmpdir()): Promise<void> {
  const directory = await mkdtemp(join(under, 'fleet-keeper-'));
  const bell = createBell();
  let ending = new AbortController();
  let running: Promise<unknown> = Promise.resolve();
  const open = async (): Promise<Supervisor> => {
    const supervisor = await openSupervisorRunner(
      { unitsDirectory: join(directory, 'units'), stateDirectory: join(directory, 'state'), keeper },
      { clock: systemClock, random: seededRandom(1), log });
    const ended = ending = new AbortController();
    const listen = async (): Promise<void> => {
      for await (const names of supervisor.runner.changes(ended.signal)) if (Array.isArray(names)) bell.wake();
    };
    running = Promise.allSettled([supervisor.run(ended.signal), listen()]);
    return supervisor;
  };
  const supervisor = await open();
  const bench: Bench = {
    directory, supervisor,
    async load(lines, name = 'app.service') {
      const unit = renderContractUnit(name, `[Unit]\nDescription=a test\n[Service]\n${lines}\n`);
      assert.deepEqual(await bench.supervisor.runner.load([unit], late()), []);
      return unit.name;
    },
    async start(lines, name) {
      const loaded = await bench.load(lines, name);
      assert.deepEqual(await bench.supervisor.runner.start([{ name: loaded, restart: 0 }], late()), []);
      return loaded;
    },
    async until(name, holds) {
      const signal = late();
      for (;;) {
        const seen = (await bench.supervisor.runner.observe(signal)).get(name);
        if (seen !== undefined && holds(seen)) return seen;
        await bell.wait(signal).catch(() => assert.fail(`${name} does not get there: ${JSON.stringify(seen)}`));
      }
    },
    ended: (name) => bench.until(name, ({ active }) => active === 'inactive' || active === 'failed'),
    async journal(name) {
      let text = '';
      for await (const part of bench.supervisor.inspector.journal({ name, lines: 10_000, follow: false, output: 'short' }, late())) text += part;
      return text;
    },
    async output(name) {
      const lines = (await bench.journal(name)).split('\n').filter((line) => line !== '' && !/ keeper\[\d+\]: /.test(line));
      return lines.map((line) => line.slice(line.indexOf(']: ') + 3));
    },
    status: async (name) => (await bench.supervisor.inspector.status(name, late())).text,
    async stop(name) {
      assert.deepEqual(await bench.supervisor.runner.stop([name], late()), []);
      return bench.ended(name);
    },
    async reopen() {
      ending.abort();
      await running;
      bench.supervisor = await open();
    },
  };
  try {
    await body(bench);
  } finally {
    const names = [...(await bench.supervisor.runner.observe(late())).keys()];
    for (const name of names) await bench.stop(name);
    await bench.supervisor.runner.unload(names, late());
    ending.abort();
    await running;
    await rm(directory, { recursive: true, force: true });
  }
}

function promise(sentence: string, body: (bench: Bench) => Promise<void>): void {
  test(sentence, () => withBench(body));
}

/** Waits for what nothing tells of: files that units write, processes that end. */
async function eventually<T>(what: string, look: () => Promise<T | null>): Promise<T> {
  for (const end = Date.now() + WAIT_MS_MAX; Date.now() < end; await pause(10)) {
    const seen = await look();
    if (seen !== null) return seen;
  }
  return assert.fail(`never: ${what}`);
}

const lives = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) Z/.test(spawnSync('cat', [`/proc/${String(pid)}/stat`], { encoding: 'utf8' }).stdout);
  } catch {
    return false;
  }
};
const gone = (pid: number): Promise<true> => eventually(`process ${String(pid)} is gone`, async () => (lives(pid) ? null : true));
const readPid = (path: string): Promise<number> => eventually(`a pid in ${path}`, async () => {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.endsWith('\n') ? Number(text) : null;
});
/** A script of `sh` that leaves a process which has cut every tie: own session, parent gone. Its pid is written to FILE. */
const doubleFork = (file: string, program = 'sleep 1000'): string => `(setsid ${program} & echo $$! > ${file}) &`;
const keeperOf = async (bench: Bench, name: UnitName): Promise<number> =>
  Number(/^keeper-pid (\d+)$/m.exec(await readFile(join(bench.directory, 'state/states', name), 'utf8'))?.[1]);

describe('command lines are run as systemd runs them', () => {
  /** What stands in the unit file, and the words the program gets. */
  const table: readonly (readonly [line: string, words: readonly string[]])[] = [
    ['one two', ['one', 'two']],
    ['"one two" three', ['one two', 'three']],
    ["'it is' \"a 'quoted' word\"", ['it is', "a 'quoted' word"]],
    ['pre"mid dle"post', ['premid dlepost']],
    ['tab\\tnew\\x41 \\"', ['tab\tnewA', '"']],
    ['""', ['']],
    ['$WORDS', ['a', 'b', 'c d']],
    ['${WORDS}', ["a b 'c d'"]],
    ['x${ONE}y', ['x1y']],
    ['x$ONE', ['x$ONE']],
    ['$UNSET end', ['end']],
    ['${UNSET} end', ['', 'end']],
    ['$$ONE', ['$ONE']],
    ['$${ONE}', ['${ONE}']],
    ['"$ONE"', ['1']],
    ['%%', ['%']],
    ['%p-%i', ['app-5']],
    ['\\; x', [';', 'x']],
    ['\\x24ONE', ['1']],
  ];
  for (const [line, words] of table) {
    promise(`${line} gives ${JSON.stringify(words)}`, async (bench) => {
      const script = join(bench.directory, 'words');
      await writeFile(script, '#!/bin/sh\nfor word in "$@"; do printf "[%s]" "$word"; done\necho\n', { mode: 0o755 });
      const name = await bench.start(
        `Type=oneshot\nEnvironment="WORDS=a b 'c d'" ONE=1\nExecStart=${script} ${line}`, 'app@5.service');
      assert.equal((await bench.ended(name)).result, 'success');
      assert.deepEqual(await bench.output(name), [words.map((word) => `[${word}]`).join('')]);
    });
  }

  promise('";" parts commands, ":" keeps variables, "@" gives a name, "-" forgives', async (bench) => {
    const name = await bench.start([
      'Type=oneshot', 'Environment=A=1',
      'ExecStart=/bin/echo $A ; :/bin/echo $A ; -/bin/false', 'ExecStart=@/bin/sh renamed -c \'echo "$$0"\'',
    ].join('\n'));
    assert.equal((await bench.ended(name)).result, 'success');
    assert.deepEqual(await bench.output(name), ['1', '$A', 'renamed']);
  });

  if (isRoot) {
    promise('User= and Group= are applied, but not to commands with "+" or "!"', async (bench) => {
      const name = await bench.start([
        'Type=oneshot', 'User=nobody', 'Group=daemon', 'ExecStart=/usr/bin/id -un', 'ExecStart=/usr/bin/id -gn', 'ExecStart=+/usr/bin/id -un',
        'ExecStart=!/usr/bin/id -un', 'ExecStart=!!/usr/bin/id -un', 'ExecStart=/bin/sh -c \'echo $$HOME; echo again > /dev/stdout\'',
      ].join('\n'));
      assert.equal((await bench.ended(name)).result, 'success', await bench.journal(name));
      assert.deepEqual(await bench.output(name), ['nobody', 'daemon', 'root', 'root', 'nobody', '/nonexistent', 'again']);
    });

    promise('an unknown user fails the unit with 217, an unknown group with 216', async (bench) => {
      const user = await bench.start('Type=oneshot\nUser=nobody-has-this-name\nExecStart=/bin/true');
      assert.deepEqual([(await bench.ended(user)).exitStatus, (await bench.ended(user)).result], [217, 'exit-code']);
      assert.match(await bench.journal(user), /Failed at step USER spawning \/bin\/true/);
      const group = await bench.start('Type=oneshot\nGroup=nobody-has-this-name\nExecStart=/bin/true', 'group.service');
      assert.equal((await bench.ended(group)).exitStatus, 216);
    });
  }

  promise('a program that is not there fails the unit with 203', async (bench) => {
    const name = await bench.start('Type=exec\nExecStart=/no/such/program');
    assert.deepEqual([(await bench.ended(name)).result, (await bench.ended(name)).exitStatus], ['exit-code', 203]);
  });

  promise('working directory, mask, limits and niceness are what the unit says', async (bench) => {
    const name = await bench.start([
      'Type=oneshot', 'WorkingDirectory=/usr/bin', 'UMask=0077', 'LimitNOFILE=123:456', 'Nice=5',
      "ExecStart=/bin/sh -c 'pwd; umask; ulimit -n; ulimit -Hn; nice'",
    ].join('\n'));
    assert.equal((await bench.ended(name)).result, 'success');
    assert.deepEqual(await bench.output(name), ['/usr/bin', '0077', '123', '456', '5']);
  });

  promise('a missing working directory fails the unit unless "-" forgives it', async (bench) => {
    const name = await bench.start('Type=oneshot\nWorkingDirectory=/no/such\nExecStart=/bin/true');
    assert.equal((await bench.ended(name)).exitStatus, 200);
    const forgiven = await bench.start('Type=oneshot\nWorkingDirectory=-/no/such\nExecStart=/bin/true', 'forgiven.service');
    assert.equal((await bench.ended(forgiven)).result, 'success');
  });
});

describe('ports', () => {
  promise('stand in the environment, in commands and in every other setting; another port is another rendering', async (bench) => {
    const text = '[Service]\nType=oneshot\nExecStart=/bin/echo ${FLEET_PORT_HTTP} $FLEET_PORT\nEnvironment=URL=http://localhost:${FLEET_PORT}/\nExecStart=/bin/sh -c \'echo "$URL"\'\n';
    const name = 'app.service' as UnitName;
    const run = async (port: number, restart: number): Promise<void> => {
      const assignment = { hash: 'a'.repeat(40) as FileHash, desired: 'launched', restart, reset: 0, ...withoutPorts, ports: { http: port }, why: '', assignedAtMs: 0, finished: false, ...unfenced } as const;
      assert.deepEqual(await bench.supervisor.runner.load([renderUnit(name, assignment, text)], late()), []);
      assert.deepEqual(await bench.supervisor.runner.start([{ name, restart }], late()), []);
      assert.equal((await bench.until(name, (seen) => seen.succeeded && seen.restart === restart)).result, 'success');
    };
    await run(20_001, 0);
    assert.deepEqual(await bench.output(name), ['20001 20001', 'http://localhost:20001/']);
    await run(20_002, 1);
    assert.deepEqual((await bench.output(name)).slice(2), ['20002 20002', 'http://localhost:20002/']);
  });
});

describe('environment files', () => {
  promise('are read at each start, with systemd\'s quoting, after Environment=', async (bench) => {
    const file = join(bench.directory, 'env');
    await writeFile(file, [
      '# comment', '; another \\', 'hidden=1', 'A=from file', ' B = "quoted \\"x\\" $no \\n" ', "C='single \\'tail", 'D=con\\', 'tinued  ', 'not an assignment',
      'E=', '9BAD=x', 'F=a#b',
    ].join('\n'));
    const script = join(bench.directory, 'show');
    await writeFile(script, '#!/bin/sh\nfor n in A B C D E F hidden; do eval "printf \'%s=<%s>\\n\' $n \\"\\$$n\\""; done\n', { mode: 0o755 });
    const name = await bench.start(`Type=oneshot\nEnvironment=A=1 B=2\nEnvironmentFile=${file}\nEnvironmentFile=-/no/such/file\nExecStart=${script}`);
    assert.equal((await bench.ended(name)).result, 'success');
    assert.deepEqual(await bench.output(name),
      ['A=<from file>', 'B=<quoted "x" $no \\n>', 'C=<single \\tail>', 'D=<continued>', 'E=<>', 'F=<a#b>', 'hidden=<>']);
    await writeFile(file, 'A=changed\n');
    await bench.supervisor.runner.start([{ name, restart: 1 }], late());
    await eventually('the second run', async () => ((await bench.output(name)).includes('A=<changed>') ? true : null));
  });

  promise('that are missing fail the start without "-"', async (bench) => {
    const name = await bench.start('Type=oneshot\nEnvironmentFile=/no/such/file\nExecStart=/bin/true');
    assert.deepEqual([(await bench.ended(name)).result, (await bench.ended(name)).exitStatus], ['resources', null]);
    assert.match(await bench.journal(name), /Failed to load environment file \/no\/such\/file/);
  });

  promise('units see a clean environment: nothing of fleetd\'s own but what PassEnvironment= names', async (bench) => {
    process.env['FLEET_TEST_PASSED'] = 'yes';
    process.env['FLEET_TEST_SECRET'] = 'no';
    const name = await bench.start('Type=oneshot\nPassEnvironment=FLEET_TEST_PASSED\nUnsetEnvironment=GONE\nEnvironment=GONE=1\nExecStart=/usr/bin/env');
    await bench.ended(name);
    const lines = await bench.output(name);
    assert.ok(lines.includes('FLEET_TEST_PASSED=yes'));
    assert.ok(!lines.some((line) => /^(FLEET_TEST_SECRET|GONE)=/.test(line)), lines.join(' '));
    assert.ok(lines.some((line) => /^INVOCATION_ID=[0-9a-f]{32}$/.test(line)));
  });
});

describe('types', () => {
  promise('a oneshot runs its commands one after another and remains active when it is told to', async (bench) => {
    const name = await bench.start('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/echo 1\nExecStart=/bin/echo 2\nExecStop=/bin/echo stop');
    const seen = await bench.until(name, ({ active }) => active === 'active');
    assert.deepEqual([seen.sub, seen.succeeded, seen.exitStatus, seen.mainPid], ['exited', true, 0, 0]);
    assert.equal((await bench.stop(name)).succeeded, false);
    assert.deepEqual(await bench.output(name), ['1', '2', 'stop']);
  });

  promise('a notify service is active once it says so, and its status line is shown', async (bench) => {
    const said = join(bench.directory, 'say');
    const name = await bench.start([
      'Type=notify', 'NotifyAccess=all', `Environment=SAY=${said}`,
      `ExecStart=/bin/sh -c 'until test -e $$SAY; do sleep 0.02; done; (echo READY=1; echo STATUS=at your service; exec sleep 1000) | ${keeper} notify'`,
    ].join('\n'));
    assert.deepEqual((await bench.until(name, ({ mainPid }) => mainPid > 0)).active, 'activating');
    await writeFile(said, '');
    assert.equal((await bench.until(name, ({ active }) => active === 'active')).sub, 'running');
    await eventually('its status', async () => (/Status: "at your service"/.test(await bench.status(name)) ? true : null));
  });

  promise('a notify service that ends without a word has failed with protocol', async (bench) => {
    const name = await bench.start('Type=notify\nExecStart=/bin/true');
    assert.equal((await bench.ended(name)).result, 'protocol');
  });

  promise('what a process says that is not the unit\'s own is not heard', async (bench) => {
    const name = await bench.start('Type=notify\nNotifyAccess=all\nTimeoutStartSec=1s\nExecStart=/bin/sh -c \'echo $$NOTIFY_SOCKET; exec sleep 1000\'');
    const [socket = ''] = await eventually('the socket', async () => {
      const lines = await bench.output(name);
      return lines.length > 0 ? lines : null;
    });
    const stranger = spawnSync(keeper, ['notify'], { input: 'READY=1\n', env: { NOTIFY_SOCKET: socket }, encoding: 'utf8' });
    assert.equal(stranger.stderr, '');
    assert.equal((await bench.ended(name)).result, 'timeout');
    assert.match(await bench.journal(name), /reception is not permitted/);
  });

  promise('the main process of a forking service is the one in its PID file, and its end is exact', async (bench) => {
    const file = join(bench.directory, 'pid');
    const gate = join(bench.directory, 'gate');
    const name = await bench.start([
      'Type=forking', `PIDFile=${file}`,
      `ExecStart=/bin/sh -c 'sleep 1000 & (until test -e ${gate}; do sleep 0.02; done; exit 7) & echo $$! > ${file}'`,
    ].join('\n'));
    const pid = await readPid(file);
    assert.equal((await bench.until(name, ({ active }) => active === 'active')).mainPid, pid);
    await writeFile(gate, '');
    const seen = await bench.ended(name);
    assert.deepEqual([seen.active, seen.result, seen.exitStatus], ['failed', 'exit-code', 7]);
  });

  promise('a PID file that comes late is waited for', async (bench) => {
    const file = join(bench.directory, 'pid');
    const name = await bench.start(
      `Type=forking\nPIDFile=${file}\nExecStart=/bin/sh -c '(sleep 0.3; sleep 1000 & echo $$! > ${file}; wait) &'`);
    assert.equal((await bench.until(name, ({ active }) => active === 'active')).mainPid, await readPid(file));
  });

  promise('the only process a forking service leaves is its main process', async (bench) => {
    const name = await bench.start("Type=forking\nExecStart=/bin/sh -c 'sleep 1000 &'");
    const seen = await bench.until(name, ({ active }) => active === 'active');
    assert.ok(seen.mainPid > 1);
    process.kill(seen.mainPid, 'SIGKILL');
    assert.deepEqual([(await bench.ended(name)).active, (await bench.ended(name)).result], ['failed', 'signal']);
  });

  promise('a PID file may not name somebody else\'s process', async (bench) => {
    const file = join(bench.directory, 'pid');
    const name = await bench.start(
      `Type=forking\nPIDFile=${file}\nTimeoutStartSec=500ms\nExecStart=/bin/sh -c 'sleep 1000 & echo ${String(process.pid)} > ${file}'`);
    assert.equal((await bench.ended(name)).result, 'timeout');
    assert.match(await bench.journal(name), /not one of this unit/);
  });
});

describe('restarts', () => {
  promise('stop at the start limit, counted exactly', async (bench) => {
    const name = await bench.start('Restart=always\nRestartSec=10ms\nStartLimitIntervalSec=1h\nStartLimitBurst=4\nExecStart=/bin/sh -c "echo run; exit 3"');
    const seen = await bench.ended(name);
    assert.deepEqual([seen.active, seen.restarts, seen.result, seen.exitStatus], ['failed', 4, 'exit-code', 3]);
    assert.deepEqual(await bench.output(name), ['run', 'run', 'run', 'run']);
    assert.match(await bench.journal(name), /Start request repeated too quickly/);
  });

  const policies: readonly (readonly [policy: string, command: string, restarted: boolean])[] = [
    ['no', 'exit 1', false], ['on-failure', 'exit 1', true], ['on-failure', 'exit 0', false], ['on-success', 'exit 0', true],
    ['on-success', 'exit 1', false], ['on-abnormal', 'exit 1', false], ['on-abnormal', 'kill -SEGV $$$$', true],
    ['on-abort', 'kill -KILL $$$$', true], ['on-failure', 'kill -TERM $$$$', false], ['always', 'kill -TERM $$$$', true],
  ];
  for (const [policy, command, restarted] of policies) {
    promise(`Restart=${policy} after "${command}" ${restarted ? 'starts it again' : 'leaves it'}`, async (bench) => {
      const name = await bench.start(`Restart=${policy}\nRestartSec=1ms\nStartLimitBurst=2\nStartLimitIntervalSec=1h\nExecStart=/bin/sh -c '${command}'`);
      assert.equal((await bench.ended(name)).restarts, restarted ? 2 : 0);
    });
  }

  promise('RestartPreventExitStatus= and SuccessExitStatus= are heeded', async (bench) => {
    const prevented = await bench.start("Restart=always\nRestartPreventExitStatus=9\nExecStart=/bin/sh -c 'exit 9'");
    assert.deepEqual([(await bench.ended(prevented)).restarts, (await bench.ended(prevented)).active], [0, 'failed']);
    const fine = await bench.start("SuccessExitStatus=9 SIGUSR1\nExecStart=/bin/sh -c 'exit 9'", 'fine.service');
    assert.equal((await bench.ended(fine)).active, 'inactive');
  });

  promise('a stop ends a unit that waits for its restart', async (bench) => {
    const name = await bench.start('Restart=always\nRestartSec=1h\nExecStart=/bin/false');
    await bench.until(name, ({ sub }) => sub === 'auto-restart');
    assert.equal((await bench.stop(name)).restart, notStarted);
  });
});

describe('time limits', () => {
  promise('a start that takes too long is a timeout, and nothing is left of it', async (bench) => {
    const pid = join(bench.directory, 'pid');
    const name = await bench.start(`Type=notify\nTimeoutStartSec=300ms\nExecStart=/bin/sh -c '${doubleFork(pid)} sleep 1000'`);
    assert.equal((await bench.ended(name)).result, 'timeout');
    assert.equal(lives(await readPid(pid)), false);
  });

  promise('who does not heed SIGTERM is killed after TimeoutStopSec=', async (bench) => {
    const ready = join(bench.directory, 'ready');
    const name = await bench.start(`TimeoutStopSec=300ms\nExecStart=/bin/sh -c 'trap "" TERM; touch ${ready}; while :; do sleep 0.05; done'`);
    await eventually('the trap', async () => (existsSync(ready) ? true : null));
    const { mainPid } = await bench.until(name, ({ active }) => active === 'active');
    assert.equal((await bench.stop(name)).result, 'timeout');
    assert.equal(lives(mainPid), false);
  });

  promise('a service that does not feed its watchdog is ended by SIGABRT', async (bench) => {
    const name = await bench.start('WatchdogSec=200ms\nExecStart=/bin/sleep 1000');
    assert.equal((await bench.ended(name)).result, 'watchdog');
  });

  promise('RuntimeMaxSec= ends a service', async (bench) => {
    const name = await bench.start('RuntimeMaxSec=200ms\nExecStart=/bin/sleep 1000');
    assert.equal((await bench.ended(name)).result, 'timeout');
  });

  promise('TimeoutStartSec=0 is no limit', async (bench) => {
    const name = await bench.start("Type=notify\nTimeoutStartSec=0\nNotifyAccess=all\nExecStart=/bin/sh -c 'sleep 0.5; exit 4'");
    assert.equal((await bench.ended(name)).exitStatus, 4);
  });
});

describe('the order of commands', () => {
  promise('Pre, Start, Post, Stop, StopPost, with the outcome in the environment', async (bench) => {
    const ready = join(bench.directory, 'ready');
    const name = await bench.start([
      'ExecStartPre=/bin/echo pre', `ExecStart=/bin/sh -c 'echo start; touch ${ready}; exec sleep 1000'`,
      `ExecStartPost=/bin/sh -c 'until test -e ${ready}; do sleep 0.01; done; echo post $MAINPID'`,
      'ExecStop=/bin/echo stop $MAINPID', 'ExecStopPost=/bin/echo stoppost $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS',
    ].join('\n'));
    const { mainPid } = await bench.until(name, ({ active }) => active === 'active');
    await bench.stop(name);
    assert.deepEqual(await bench.output(name),
      ['pre', 'start', `post ${String(mainPid)}`, `stop ${String(mainPid)}`, 'stoppost success killed TERM']);
  });

  promise('a failed ExecStartPre= fails the unit; ExecStopPost= is run all the same, ExecStart= and ExecStop= are not', async (bench) => {
    const name = await bench.start('ExecStartPre=/bin/false\nExecStart=/bin/echo start\nExecStop=/bin/echo stop\nExecStopPost=/bin/echo after');
    assert.equal((await bench.ended(name)).result, 'exit-code');
    assert.deepEqual(await bench.output(name), ['after']);
  });

  promise('ExecCondition= says no without a failure', async (bench) => {
    const name = await bench.start("ExecCondition=/bin/sh -c 'exit 1'\nExecStart=/bin/echo start");
    const seen = await bench.ended(name);
    assert.deepEqual([seen.active, seen.result, seen.succeeded], ['inactive', 'exec-condition', false]);
  });

  promise('a reload runs ExecReload= and leaves the process', async (bench) => {
    const name = await bench.start('ExecStart=/bin/sleep 1000\nExecReload=/bin/echo reloading $MAINPID');
    const before = await bench.until(name, ({ active }) => active === 'active');
    const client = createKeeperClient({ keeper, stateDirectory: join(bench.directory, 'state'), clock: systemClock });
    await client.command(name, 'reload', late());
    await eventually('the reload', async () => ((await bench.output(name)).length > 0 ? true : null));
    assert.equal((await bench.until(name, ({ active }) => active === 'active')).mainPid, before.mainPid);
    assert.deepEqual(await bench.output(name), [`reloading ${String(before.mainPid)}`]);
  });
});

describe('KillMode=', () => {
  promise('control-group: processes that have cut every tie are gone after a stop', async (bench) => {
    const files = ['a', 'b', 'c'].map((file) => join(bench.directory, file));
    const name = await bench.start(`ExecStart=/bin/sh -c '${files.map((file) => doubleFork(file)).join(' ')} sleep 1000'`);
    const pids = await Promise.all(files.map(readPid));
    assert.ok(pids.every(lives));
    await bench.stop(name);
    assert.deepEqual(pids.filter(lives), []);
  });

  promise('control-group: they are gone, too, when the main process ends by itself', async (bench) => {
    const file = join(bench.directory, 'pid');
    const name = await bench.start(`ExecStart=/bin/sh -c '${doubleFork(file)} until test -s ${file}; do sleep 0.01; done'`);
    await bench.ended(name);
    assert.equal(lives(await readPid(file)), false);
  });

  promise('mixed: SIGTERM for the main process, SIGKILL for the others', async (bench) => {
    const file = join(bench.directory, 'pid');
    const told = join(bench.directory, 'told');
    const other = `sh -c "trap \\"touch ${told}\\" TERM; while :; do sleep 0.05; done"`;
    const name = await bench.start(`KillMode=mixed\nExecStart=/bin/sh -c '${doubleFork(file, other)} exec sleep 1000'`);
    const pid = await readPid(file);
    await bench.stop(name);
    assert.equal(lives(pid), false);
    assert.equal(existsSync(told), false);
  });

  for (const mode of ['process', 'none']) {
    promise(`${mode}: the others stay, with their journal`, async (bench) => {
      const file = join(bench.directory, 'pid');
      const gate = join(bench.directory, 'gate');
      const other = `sh -c "until test -e ${gate}; do sleep 0.02; done; echo still here"`;
      const name = await bench.start(`KillMode=${mode}\nTimeoutStopSec=1s\nExecStart=/bin/sh -c '${doubleFork(file, other)} exec sleep 0.5'`);
      const pid = await readPid(file);
      await bench.stop(name);
      assert.equal(lives(pid), true);
      await writeFile(gate, '');
      await gone(pid);
      await eventually('its last words', async () => ((await bench.output(name)).includes('still here') ? true : null));
    });
  }

  promise('KillSignal= is what a stop sends', async (bench) => {
    const ready = join(bench.directory, 'ready');
    const name = await bench.start(
      `KillSignal=SIGUSR1\nExecStart=/bin/sh -c 'trap "echo usr1; exit 0" USR1; touch ${ready}; while :; do sleep 0.02; done'`);
    await eventually('the trap', async () => (existsSync(ready) ? true : null));
    await bench.stop(name);
    assert.ok((await bench.output(name)).includes('usr1'));
  });
});

describe('units outlive fleetd', () => {
  /** Opens a supervisor in a process of its own, loads and starts units there; resolves once they are started. */
  const startElsewhere = async (bench: Bench, units: Readonly<Record<string, string>>): Promise<number> => {
    const source = `
      const { openSupervisorRunner } = await import(${JSON.stringify(join(here, 'supervisor-runner.ts'))});
      const { renderContractUnit } = await import(${JSON.stringify(join(here, '../runner.contract.ts'))});
      const { systemClock } = await import(${JSON.stringify(join(here, '../../lib/system-clock.ts'))});
      const log = { error() {}, warning() {}, info() {}, debug() {} };
      const { runner } = await openSupervisorRunner(
        { unitsDirectory: ${JSON.stringify(join(bench.directory, 'units'))}, stateDirectory: ${JSON.stringify(join(bench.directory, 'state'))},
          keeper: ${JSON.stringify(keeper)} }, { clock: systemClock, random: { next: () => 0 }, log });
      const units = Object.entries(${JSON.stringify(units)}).map(([name, text]) => renderContractUnit(name, text));
      const signal = AbortSignal.timeout(${String(WAIT_MS_MAX)});
      const problems = [...await runner.load(units, signal), ...await runner.start(units.map(({ name }) => ({ name, restart: 3 })), signal)];
      process.stdout.write(JSON.stringify(problems) + '\\n');
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', source],
      { stdio: ['ignore', 'pipe', 'inherit'] });
    const said = await new Promise<string>((resolve) => child.stdout.once('data', (data: Buffer) => resolve(data.toString())));
    assert.equal(said, '[]\n');
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    return child.pid ?? 0;
  };

  promise('kill -9 of fleetd: everything goes on, is adopted, and its statuses and restarts are exact', async (bench) => {
    const gate = join(bench.directory, 'gate');
    const pid = join(bench.directory, 'pid');
    await startElsewhere(bench, {
      'sleeper.service': `[Service]\nExecStart=/bin/sh -c '${doubleFork(pid)} exec sleep 1000'\n`,
      'ending.service': `[Service]\nExecStart=/bin/sh -c 'until test -e ${gate}; do sleep 0.02; done; exit 5'\n`,
      'flapping.service': `[Service]\nRestart=on-failure\nRestartSec=10ms\nStartLimitBurst=100\nExecStart=/bin/sh -c 'until test -e ${gate}; do sleep 0.02; done; exit 6'\nStartLimitIntervalSec=1h\n`,
    });
    const daemon = await readPid(pid);
    assert.equal(lives(daemon), true);
    await writeFile(gate, '');
    // What happens now happens without any fleetd.
    const state = (name: string): Promise<string> => readFile(join(bench.directory, 'state/states', name), 'utf8');
    await eventually('both ended', async () =>
      (/^active failed$/m.test(await state('ending.service')) && /^restarts 100$/m.test(await state('flapping.service')) ? true : null));
    await bench.reopen();
    const [sleeper, ending, flapping] = ['sleeper', 'ending', 'flapping'].map((name) => `${name}.service` as UnitName);
    assert.ok(sleeper && ending && flapping);
    const seen = await bench.supervisor.runner.observe(late());
    assert.deepEqual([seen.get(sleeper)?.active, seen.get(sleeper)?.restart], ['active', 3]);
    assert.deepEqual([seen.get(ending)?.active, seen.get(ending)?.exitStatus, seen.get(ending)?.result], ['failed', 5, 'exit-code']);
    const flapped = await bench.ended(flapping);
    assert.deepEqual([flapped.restarts, flapped.exitStatus], [100, 6]);
    await bench.stop(sleeper);
    assert.equal(lives(daemon), false, 'the forked child is still known to be the unit\'s');
  });

  promise('kill -9 of the keeper: the unit has failed, truthfully, at once', async (bench) => {
    const pid = join(bench.directory, 'pid');
    const name = await bench.start(`ExecStart=/bin/sh -c '${doubleFork(pid)} exec sleep 1000'`);
    const daemon = await readPid(pid);
    const { mainPid } = await bench.until(name, ({ active }) => active === 'active');
    process.kill(await keeperOf(bench, name), 'SIGKILL');
    const lost = await bench.ended(name);
    assert.deepEqual([lost.active, lost.result, lost.mainPid, lost.exitStatus], ['failed', 'keeper-lost', 0, null]);
    assert.match(await bench.status(name), /its keeper was killed/);
    // What it left behind is ended before the unit is started again.
    assert.deepEqual(await bench.supervisor.runner.start([{ name, restart: 1 }], late()), []);
    const again = await bench.until(name, ({ active }) => active === 'active');
    assert.notEqual(again.mainPid, mainPid);
    assert.deepEqual([mainPid, daemon].filter(lives), []);
  });

  promise('what a killed keeper left is ended by a stop, and before an unload', async (bench) => {
    const name = await bench.start('ExecStart=/bin/sleep 1000');
    const { mainPid } = await bench.until(name, ({ active }) => active === 'active');
    process.kill(await keeperOf(bench, name), 'SIGKILL');
    await bench.ended(name);
    const problems = await bench.supervisor.runner.unload([name], late());
    assert.match(problems[0]?.why ?? '', /lost its keeper/);
    await gone(mainPid);
    await eventually('the unload', async () => ((await bench.supervisor.runner.unload([name], late())).length === 0 ? true : null));
  });

  promise('SIGTERM to the keeper stops its unit in order', async (bench) => {
    const name = await bench.start('ExecStart=/bin/sleep 1000\nExecStop=/bin/echo stopping');
    await bench.until(name, ({ active }) => active === 'active');
    process.kill(await keeperOf(bench, name), 'SIGTERM');
    assert.equal((await bench.ended(name)).active, 'inactive');
    assert.deepEqual(await bench.output(name), ['stopping']);
  });

  promise('a recycled process id is not taken for the keeper, nor anything of another boot for running', async (bench) => {
    const name = await bench.start('ExecStart=/bin/sleep 1000');
    await bench.until(name, ({ active }) => active === 'active');
    const path = join(bench.directory, 'state/states', name);
    const state = await readFile(path, 'utf8');
    const seen = async (text: string): Promise<Observation | undefined> => {
      await writeFile(path, text);
      return (await bench.supervisor.runner.observe(late())).get(name);
    };
    assert.equal((await seen(state.replace(/^keeper-pid .*$/m, `keeper-pid ${String(process.pid)}`)))?.result, 'keeper-lost');
    const rebooted = await seen(state.replace(/^boot .*$/m, 'boot another'));
    assert.deepEqual([rebooted?.active, rebooted?.restart, rebooted?.mainPid], ['inactive', notStarted, 0]);
    assert.equal((await seen(state))?.active, 'active');
  });

  promise('a keeper and the unit\'s processes hold nothing of fleetd: no pipes, no files, no working directory', async (bench) => {
    const name = await bench.start('ExecStart=/bin/sleep 1000');
    const { mainPid } = await bench.until(name, ({ active }) => active === 'active');
    // A unit of Type=simple is active once its process is forked, which is a moment before it is that of the program.
    await eventually('the program', async () => ((await readlink(`/proc/${String(mainPid)}/exe`)).endsWith('/sleep') ? true : null));
    const own = await keeperOf(bench, name);
    const links = async (pid: number): Promise<string> =>
      spawnSync('readlink', (await readdir(`/proc/${String(pid)}/fd`)).map((fd) => `/proc/${String(pid)}/fd/${fd}`), { encoding: 'utf8' }).stdout;
    assert.deepEqual((await links(mainPid)).split('\n').filter((link) => link !== '').map((link) => link.replace(/\d+/, 'N')).sort(),
      ['/dev/null', 'pipe:[N]', 'pipe:[N]']);
    assert.doesNotMatch(await links(own), /deleted|anon_inode:\[eventpoll\]/);
    const stat = (pid: number): string[] => spawnSync('ps', ['-o', 'ppid=,sid=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim().split(/\s+/);
    assert.notEqual(stat(own)[0], String(process.pid));
    assert.deepEqual(stat(mainPid), [String(own), String(mainPid)]);
  });
});

describe('the journal', () => {
  promise('is kept below its bound, newest lines last, whatever is written', async (bench) => {
    const name = await bench.start("Type=oneshot\nExecStart=/bin/sh -c 'seq -f \"line %%.0f of a rather talkative program that does not know when to stop talking\" 200000; printf tail'");
    assert.equal((await bench.ended(name)).result, 'success');
    const directory = join(bench.directory, 'state/units', name);
    const sizes = await Promise.all(['journal', 'journal.1'].map(async (file) => (await stat(join(directory, file))).size));
    assert.ok(sizes.every((size) => size <= 4.5 * 1024 * 1024), sizes.join(' '));
    const lines = await bench.output(name);
    assert.equal(lines.at(-1), 'tail');
    assert.match(lines.at(-2) ?? '', /^line 200000 of/);
    const numbers = lines.slice(0, -1).map((line) => Number(line.split(' ')[1]));
    assert.ok(numbers.every((number, index) => index === 0 || number === (numbers[index - 1] ?? 0) + 1), 'no line is missing between them');
  });

  promise('is followed across its rotation without a gap', async (bench) => {
    const gate = join(bench.directory, 'gate');
    const name = await bench.start(`ExecStart=/bin/sh -c 'echo first; until test -e ${gate}; do sleep 0.02; done; seq -f "number %%.0f and a good deal of padding to make the file full before the end" 60000; exec sleep 1000'`);
    const ending = new AbortController();
    const numbers: number[] = [];
    let rest = '';
    const following = (async (): Promise<void> => {
      for await (const text of bench.supervisor.inspector.journal({ name, lines: 10, follow: true, output: 'cat' }, ending.signal)) {
        if (!existsSync(gate)) await writeFile(gate, '');
        rest += text;
        assert.ok(rest.endsWith('\n'), 'lines are whole');
        for (const [, number] of rest.matchAll(/^number (\d+) /gm)) numbers.push(Number(number));
        rest = '';
        if (numbers.at(-1) === 60_000) return;
      }
    })();
    await following;
    ending.abort();
    assert.equal(numbers.length, 60_000);
  });

  promise('shows lines as journalctl does, and takes priorities and odd bytes', async (bench) => {
    const name = await bench.start("Type=oneshot\nSyslogIdentifier=my app\nExecStart=/bin/sh -c 'echo out; echo err >&2; echo \"<3>bad\"; printf \"a\\\\tb\\\\000c\\\\n\"; head -c 60000 /dev/zero | tr \"\\\\0\" x; echo'");
    await bench.ended(name);
    assert.match(await bench.journal(name), /^\w{3} \d\d \d\d:\d\d:\d\d \S+ my app\[\d+\]: out$/m);
    const lines = await bench.output(name);
    assert.deepEqual(lines.slice(0, 5), ['out', 'err', 'bad', 'a\tb', 'c']);
    assert.deepEqual(lines.slice(5).map((line) => line.length), [49_152, 60_000 - 49_152]);
    let json = '';
    for await (const part of bench.supervisor.inspector.journal({ name, lines: 20, follow: false, output: 'json' }, late())) json += part;
    const bad = json.split('\n').filter((line) => line.includes('"bad"')).map((line) => JSON.parse(line) as Record<string, string>)[0];
    assert.deepEqual([bad?.['PRIORITY'], bad?.['SYSLOG_IDENTIFIER']], ['3', 'my app']);
  });

  promise('output goes where StandardOutput= and StandardError= say', async (bench) => {
    const file = join(bench.directory, 'out');
    const name = await bench.start(`Type=oneshot\nStandardOutput=append:${file}\nStandardError=journal\nExecStart=/bin/sh -c 'echo out; echo err >&2'`);
    await bench.ended(name);
    assert.deepEqual([await readFile(file, 'utf8'), await bench.output(name)], ['out\n', ['err']]);
  });
});

describe('status', () => {
  promise('shows what runs and says what is not honoured', async (bench) => {
    const name = await bench.start("MemoryMax=1G\nPrivateTmp=yes\nTimeoutStopSec=soon\nExecStartPre=/bin/true\nExecStart=/bin/sh -c 'echo hello; sleep 1000 & exec sleep 2000'");
    await bench.until(name, ({ active }) => active === 'active');
    await eventually('its output and its processes', async () =>
      ((await bench.output(name)).length > 0 && /: \d+ sleep 2000\n +\d+ sleep 1000\n/.test(await bench.status(name)) ? true : null));
    const { text, exitStatus } = await bench.supervisor.inspector.status(name, late());
    assert.equal(exitStatus, 0);
    const normal = text.replaceAll(bench.directory, 'DIR').replace(/since .* ago|since .* just now/, 'since THEN')
      .replace(/^\w{3} \d\d [\d:]+ \S+ /gm, 'WHEN ').replace(/\b\d{2,}\b(?!00)/g, (number) => (number === '1000' || number === '2000' ? number : 'PID'));
    assert.equal(normal, [
      '● app.service - a test',
      '     Loaded: loaded (DIR/units/app.service)',
      '     Active: active (running) since THEN',
      '    Process: PID ExecStartPre=/bin/true (code=exited, status=0/SUCCESS)',
      '   Main PID: PID (sleep)',
      '      Tasks: 2',
      '  Processes: PID sleep 2000',
      '               PID sleep 1000',
      'Not honoured: MemoryMax= (line 4), PrivateTmp= (line 5): they need systemd',
      'Not honoured: TimeoutStopSec= (line 6): "soon" is not a time span',
      '',
      'WHEN keeper[PID]: Starting app.service...',
      'WHEN keeper[PID]: Started app.service.',
      'WHEN sh[PID]: hello',
      '',
    ].join('\n'));
  });

  promise('of an unknown unit ends with 4, of a stopped one with 3', async (bench) => {
    assert.equal((await bench.supervisor.inspector.status('no.service' as UnitName, late())).exitStatus, 4);
    const name = await bench.load('ExecStart=/bin/true');
    assert.equal((await bench.supervisor.inspector.status(name, late())).exitStatus, 3);
  });
});

describe('trouble', () => {
  promise('the longest name, in a directory deeper than a socket\'s address, works', async (bench) => {
    const name = await bench.start('ExecStart=/bin/sleep 1000', `${'a'.repeat(247)}.service`);
    await bench.until(name, ({ active }) => active === 'active');
    await bench.stop(name);
  });

  promise('instructions that are not whole are refused by the keeper', async (bench) => {
    const name = await bench.load('ExecStart=/bin/true');
    const path = join(bench.directory, 'state/units', name, 'instructions');
    const whole = await readFile(path, 'utf8');
    for (const text of ['', 'fleet-keeper-instructions 1\n', whole.replace('end\n', ''), whole.replace('type', 'tipe'), whole.replace('\nexec\t', '\nexec\tnever'), '\0\n'.repeat(10)]) {
      await writeFile(path, text);
      await bench.supervisor.runner.start([{ name, restart: 1 }], late());
      assert.deepEqual([(await bench.ended(name)).active, (await bench.ended(name)).result], ['failed', 'resources']);
    }
  });

  promise('other types of units are refused in one line', async (bench) => {
    const unit = renderContractUnit('web.socket', '[Socket]\nListenStream=80\n');
    assert.deepEqual(await bench.supervisor.runner.load([unit], late()),
      [{ name: 'web.socket', why: 'web.socket: this machine runs units without systemd, which takes services only, no socket' }]);
    assert.equal((await bench.supervisor.runner.observe(late())).size, 0);
  });

  promise('many units at once come and go', async (bench) => {
    const names = Array.from({ length: 40 }, (_, index) => `many@${String(index)}.service`);
    const units = names.map((name) => renderContractUnit(name, '[Service]\nExecStart=/bin/sleep 1000\n'));
    assert.deepEqual(await bench.supervisor.runner.load(units, late()), []);
    assert.deepEqual(await bench.supervisor.runner.start(units.map(({ name }) => ({ name, restart: 0 })), late()), []);
    for (const { name } of units) await bench.until(name, ({ active }) => active === 'active');
    assert.deepEqual(await bench.supervisor.runner.stop(units.map(({ name }) => name), late()), []);
    for (const { name } of units) await bench.ended(name);
  });

  if (isRoot) {
    test('a full disk is a problem that names the file, and leaves nothing half written', async () => {
      const mount = await mkdtemp(join(tmpdir(), 'fleet-full-'));
      assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'full', mount]).status, 0);
      try {
        await withBench(async (bench) => {
          const name = await bench.start('ExecStart=/bin/sleep 1000');
          const before = await bench.until(name, ({ active }) => active === 'active');
          spawnSync('dd', ['if=/dev/zero', `of=${join(bench.directory, 'filler')}`, 'bs=4k'], { stdio: 'ignore' });
          const other = renderContractUnit(name, `[Service]\nExecStart=/bin/sleep 2000\n# ${'x'.repeat(20_000)}\n`);
          const added = renderContractUnit('new.service', other.text);
          const problems = await bench.supervisor.runner.load([other, added], late());
          assert.deepEqual(problems.map((problem) => problem.name), [name, added.name]);
          for (const { why } of problems) assert.match(why, /^cannot write \S+: ENOSPC: no space left on device$/);
          assert.deepEqual([...(await bench.supervisor.runner.observe(late())).values()], [before]);
          const files = await readdir(bench.directory, { recursive: true });
          assert.deepEqual(files.filter((file) => file.includes('.new-') || file.includes('new.service/')), []);
          await rm(join(bench.directory, 'filler'));
          assert.deepEqual(await bench.supervisor.runner.load([other, added], late()), []);
        }, mount);
      } finally {
        spawnSync('umount', ['-l', mount]);
        await rm(mount, { recursive: true, force: true });
      }
    });
  }
});
