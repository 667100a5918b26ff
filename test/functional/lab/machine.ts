/**
 * One machine of the lab: a real systemd booted by systemd-nspawn on an overlay of the root file system, in a network namespace of its own.
 * Promises: power loss, orderly power-off and a pulled network cable are real ones; what a machine wrote survives its reboot.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { appendFile, chmod, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { must, run, until, type CommandOptions, type CommandResult } from './command.ts';

/** How a machine is to be. */
export interface MachinePlan {
  readonly name: string;
  /** machine-id(5). */
  readonly id: string;
  readonly address: string;
  /** Files put on its disk before the first boot: path to text, or to a mode and text. */
  readonly files?: Readonly<Record<string, string | { readonly mode: number; readonly text: string }>>;
  /** Host paths seen in the machine: [host, machine, 'ro' | 'rw']. */
  readonly binds?: readonly (readonly [string, string, 'ro' | 'rw'])[];
}

/** Where the lab keeps things and how its network is called. */
export interface LabPlace {
  readonly name: string;
  readonly directory: string;
  readonly rootFileSystem: string;
  readonly hubNamespace: string;
  readonly bridge: string;
  readonly gateway: string;
}

export interface Machine extends MachinePlan {
  /** Its disk as the host sees it. */
  readonly disk: string;
  /** Runs a command in it, with a clean environment. */
  exec(command: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Runs a shell script in it that has to succeed; returns its output. */
  sh(script: string, options?: CommandOptions): Promise<string>;
  boot(): Promise<void>;
  /** Power loss: its pid 1 and everything in it is killed; the disk stays. */
  kill(): Promise<void>;
  /** Orderly power-off, waits for its end; the disk stays. */
  powerOff(): Promise<void>;
  running(): Promise<boolean>;
  /** Stops its pid 1 alone (SIGSTOP) while `work` runs: systemd hangs, everything else goes on. Returns the state the kernel said pid 1 was in. */
  freeze(work: () => Promise<unknown>): Promise<string>;
  /** Pulls the network cable, and plugs it in again. */
  cut(): Promise<void>;
  join(): Promise<void>;
  destroy(): Promise<void>;
}

/** SIGRTMIN+4 tells systemd to power off (systemd(1)). SIGRTMIN is 34 with glibc. */
const powerOffSignal = 38;

export async function createMachine(plan: MachinePlan, place: LabPlace): Promise<Machine> {
  const directory = join(place.directory, plan.name);
  const disk = join(directory, 'root');
  const namespace = `${place.name}-${plan.name}`;
  const cable = `v${namespace}`.slice(0, 15);
  const inHub = ['nsenter', `--net=/run/netns/${place.hubNamespace}`, '--'];
  let init: number | null = null;
  let nspawn: number | null = null;

  await createDisk(plan, { directory, rootFileSystem: place.rootFileSystem });
  await must(['ip', 'netns', 'add', namespace]);
  await must([...inHub, 'ip', 'link', 'add', cable, 'type', 'veth', 'peer', 'name', 'host0', 'netns', namespace]);
  await must([...inHub, 'ip', 'link', 'set', cable, 'master', place.bridge, 'up']);
  await must(['ip', 'netns', 'exec', namespace, 'sh', '-c',
    `ip link set lo up; ip addr add ${plan.address}/16 dev host0; ip link set host0 up; ip route add default via ${place.gateway}`]);

  const exec = async (command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> => {
    if (init === null) throw new Error(`machine ${plan.name} is not running`);
    const clean = ['env', '-i', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'LANG=C.UTF-8',
      ...Object.entries(options.env ?? {}).map(([key, value]) => `${key}=${value}`)];
    const { env: _given, ...rest } = options;
    return run(['nsenter', '-t', String(init), '-m', '-u', '-i', '-n', '-p', '-r', '-w', '--', ...clean, ...command], rest);
  };
  const ended = async (): Promise<void> => {
    await until(async () => nspawn === null || !(await processIsAlive(nspawn)), `machine ${plan.name} has ended`);
    init = null;
    nspawn = null;
    await removeCgroups(namespace);
  };
  return {
    ...plan,
    disk,
    exec,
    async sh(script, options) {
      const result = await exec(['bash', '-c', script], options);
      if (result.code !== 0) throw new Error(`${plan.name}: ${script} ended with ${result.code}: ${result.stderr}${result.stdout}`);
      return result.stdout;
    },
    async boot() {
      nspawn = await startNspawn(plan, { disk, namespace, console: join(directory, 'console') });
      init = await until(() => findInit(nspawn ?? 0),
        async () => `machine ${plan.name} has a pid 1: ${await readFile(join(directory, 'console'), 'utf8')}`);
      await until(async () => (await exec(['systemctl', 'is-active', '-q', 'multi-user.target'])).code === 0,
        async () => `machine ${plan.name} is up: ${await readFile(join(directory, 'console'), 'utf8')}`);
    },
    async kill() {
      if (init !== null) process.kill(init, 'SIGKILL');
      await ended();
    },
    async powerOff() {
      if (init !== null) process.kill(init, powerOffSignal);
      await ended();
    },
    running: async () => init !== null && processIsAlive(init),
    async freeze(work) {
      if (init === null) throw new Error(`machine ${plan.name} is not running`);
      return frozen(init, work);
    },
    cut: async () => void (await must([...inHub, 'ip', 'link', 'set', cable, 'down'])),
    join: async () => void (await must([...inHub, 'ip', 'link', 'set', cable, 'up'])),
    async destroy() {
      if (init !== null && (await processIsAlive(init))) process.kill(init, 'SIGKILL');
      await ended();
      await run([...inHub, 'ip', 'link', 'del', cable]);
      await run(['ip', 'netns', 'del', namespace]);
      await run(['umount', '-l', disk]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function createDisk(plan: MachinePlan, at: { directory: string; rootFileSystem: string }): Promise<void> {
  const disk = join(at.directory, 'root');
  for (const name of ['upper', 'work', 'root']) await mkdir(join(at.directory, name), { recursive: true });
  await must(['mount', '-t', 'overlay', 'overlay', '-o',
    `lowerdir=${at.rootFileSystem},upperdir=${at.directory}/upper,workdir=${at.directory}/work`, disk]);
  const files: NonNullable<MachinePlan['files']> = {
    'etc/machine-id': `${plan.id}\n`, 'etc/hostname': `${plan.name}\n`, 'etc/hosts': `127.0.0.1 localhost ${plan.name}\n`, ...plan.files,
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(disk, path)), { recursive: true });
    await writeFile(join(disk, path), typeof content === 'string' ? content : content.text);
    if (typeof content !== 'string') await chmod(join(disk, path), content.mode);
  }
  for (const [, target] of plan.binds ?? []) await mkdir(join(disk, target), { recursive: true });
}

interface NspawnPlace {
  readonly disk: string;
  readonly namespace: string;
  readonly console: string;
}

/** Starts nspawn in a control group of its own, so that systemd in the machine finds a clean one to manage. Returns its pid. */
async function startNspawn(plan: MachinePlan, place: NspawnPlace): Promise<number> {
  const groups = (await cgroupRoots()).map((root) => join(root, place.namespace));
  for (const group of groups) await mkdir(group, { recursive: true });
  const binds = (plan.binds ?? []).map(([host, target, mode]) => `--bind${mode === 'ro' ? '-ro' : ''}=${host}:${target}`);
  const command = ['systemd-nspawn', '--quiet', '--register=no', '--keep-unit', '--link-journal=no', '--resolv-conf=off', '--timezone=off',
    '--console=pipe', `--network-namespace-path=/run/netns/${place.namespace}`, `--hostname=${plan.name}`, `--uuid=${plan.id}`,
    '-M', place.namespace, '--capability=all', ...binds, '-D', place.disk, '--boot'];
  const joinGroups = groups.map((group) => `echo $$ > ${group}/cgroup.procs`).join('; ');
  const log = openSync(place.console, 'w');
  const child = spawn('sh', ['-c', `${joinGroups}; exec "$@"`, 'sh', ...command], {
    detached: true, stdio: ['ignore', log, log],
    env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1', SYSTEMD_NSPAWN_LOCK: '0' },
  });
  closeSync(log);
  child.on('error', (error) => { void appendFile(place.console, String(error)); });
  child.unref();
  if (child.pid === undefined) throw new Error('systemd-nspawn could not be started');
  return child.pid;
}

/** The child of nspawn that is pid 1 of a pid namespace of its own. */
async function findInit(nspawn: number): Promise<number | null> {
  if (!(await processIsAlive(nspawn))) throw new Error('systemd-nspawn has ended');
  for (const task of await readdir(`/proc/${nspawn}/task`)) {
    const children = (await readFile(`/proc/${nspawn}/task/${task}/children`, 'utf8')).split(' ').filter((word) => word !== '');
    for (const child of children) {
      const status = await readFile(`/proc/${child}/status`, 'utf8').catch(() => '');
      if (/^NSpid:.*\s1$/m.test(status)) return Number(child);
    }
  }
  return null;
}

/** Stops a process while `work` runs; returns the state the kernel said it was in. */
async function frozen(pid: number, work: () => Promise<unknown>): Promise<string> {
  process.kill(pid, 'SIGSTOP');
  try {
    const state = await until(async () => /^State:\s*(T .*)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1], `process ${pid} is stopped`);
    await work();
    return state;
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

async function processIsAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return status !== '' && !/^State:\s*Z/m.test(status);
}

/** The hierarchies systemd tracks processes in: cgroup v2, or the named ones of a hybrid set-up. */
async function cgroupRoots(): Promise<readonly string[]> {
  const candidates = ['/sys/fs/cgroup', '/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified'];
  const found = await Promise.all(candidates.map(async (path) => ((await stat(join(path, 'cgroup.procs')).catch(() => null)) ? path : null)));
  return found.filter((path) => path !== null);
}

async function removeCgroups(namespace: string): Promise<void> {
  for (const root of await cgroupRoots()) {
    const group = join(root, namespace);
    await until(async () => {
      await run(['find', group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+']);
      return (await stat(group).catch(() => null)) === null;
    }, `control group ${group} is gone`, 5_000).catch(() => undefined); // A left-over empty group harms nobody.
  }
}
