/**
 * A lab of real systemd machines on one bridge, and real etcd servers beside them.
 * Promises: everything it makes lies under its own name and is gone after close(), also when the test run fails.
 */
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { must, run, type CommandOptions, type CommandResult } from './command.ts';
import { createMachine, type LabPlace, type Machine, type MachinePlan } from './machine.ts';
import { rootFileSystem } from './root-file-system.ts';

export interface Lab {
  readonly place: LabPlace;
  readonly gateway: string;
  /** Makes and boots machines, all at once. */
  boot(plans: readonly MachinePlan[]): Promise<readonly Machine[]>;
  /** Runs a command in the network where the bridge lives: it reaches every machine. */
  hub(command: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** The command line prefix that runs a program in that network. */
  readonly inHub: readonly string[];
  close(): Promise<void>;
}

export interface LabOptions {
  /** At most 7 characters: interface names are short. */
  readonly name: string;
  /** Gateway address, /16. */
  readonly gateway: string;
  readonly cacheDirectory: string;
}

/** Where built root file systems are kept between runs. */
export function labCache(environment: NodeJS.ProcessEnv): string {
  return environment['FLEET_TEST_CACHE'] ?? '/var/cache/fleet-test';
}

export async function openLab(options: LabOptions): Promise<Lab> {
  const directory = join(tmpdir(), `fleet-lab-${options.name}`);
  const place: LabPlace = {
    name: options.name, directory, rootFileSystem: await rootFileSystem(options.cacheDirectory),
    hubNamespace: `${options.name}-hub`, bridge: 'fleet0', gateway: options.gateway,
  };
  const inHub = ['nsenter', `--net=/run/netns/${place.hubNamespace}`, '--'];
  await removeLeftovers(place);
  await mkdir(directory, { recursive: true });
  await must(['mount', '-t', 'tmpfs', '-o', 'mode=755,size=8g', `lab-${options.name}`, directory]);
  await must(['ip', 'netns', 'add', place.hubNamespace]);
  await must([...inHub, 'sh', '-c',
    `ip link set lo up; ip link add ${place.bridge} type bridge; ip link set ${place.bridge} up`
    + `; ip addr add ${options.gateway}/16 dev ${place.bridge}`]);
  const machines: Machine[] = [];
  return {
    place,
    gateway: options.gateway,
    inHub,
    async boot(plans) {
      const made: Machine[] = [];
      for (const plan of plans) made.push(await createMachine(plan, place));
      machines.push(...made);
      await Promise.all(made.map((machine) => machine.boot()));
      return made;
    },
    hub: (command, commandOptions) => run([...inHub, ...command], commandOptions),
    async close() {
      await Promise.all(machines.map((machine) => machine.destroy()));
      await removeLeftovers(place);
    },
  };
}

/** Takes away what a killed test run of the same name left: processes of its namespaces, mounts, namespaces. */
async function removeLeftovers(place: LabPlace): Promise<void> {
  const list = (await run(['ip', 'netns', 'list'])).stdout.split('\n').map((line) => line.split(' ')[0] ?? '');
  for (const namespace of list.filter((name) => name.startsWith(`${place.name}-`))) {
    const pids = (await run(['ip', 'netns', 'pids', namespace])).stdout.split('\n').filter((word) => word !== '');
    for (const pid of pids) await run(['kill', '-9', pid]);
    await run(['ip', 'netns', 'del', namespace]);
  }
  const mounts = (await run(['findmnt', '-rno', 'TARGET'])).stdout.split('\n')
    .filter((path) => path === place.directory || path.startsWith(`${place.directory}/`));
  for (const path of mounts.reverse()) await run(['umount', '-l', path]);
  await rm(place.directory, { recursive: true, force: true });
}
