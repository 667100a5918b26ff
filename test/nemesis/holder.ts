/**
 * The program every unit runs, and what it leaves on the host: a lock the kernel guards, heartbeats, overlaps.
 * Promises: a process holds the lock of its unit's name for as long as it lives; a process that finds it taken says so at once; each process writes
 * to a file of its own, so that nothing is lost when machines lose power.
 */
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Life, Overlap, UnitKind } from './history.ts';

/** Where machines see the folder of the host. */
export const folderInMachine = '/nemesis';
const program = `${folderInMachine}/holder`;

/** Units that keep running on a lost machine, and units that stop before they run elsewhere. */
export function unitText(kind: UnitKind): string {
  const placement = kind === 'stop' ? 'OnMachineLost=stop\nLostAfter=8s\n' : '';
  return `[Unit]\nDescription=holds a lock\n\n[Service]\nExecStart=${program} %n %H\nTimeoutStopSec=2s\nRestart=on-failure\n\n[X-Fleet]\n${placement}`;
}

/** Perl, because every Debian has it: flock(2), one heartbeat each 200 ms. Times are those of the files, kept by the host's kernel. */
export const holderScript: string = `#!/usr/bin/perl
use strict; use Fcntl ':flock';
my ($unit, $machine) = @ARGV;
open(my $lock, '>>', "${folderInMachine}/locks/$unit") or die "lock: $!";
open(my $beats, '>>', "${folderInMachine}/beats/$unit $machine $$ " . time) or die "beats: $!";
unless (flock($lock, LOCK_EX | LOCK_NB)) {
  open(my $overlap, '>>', "${folderInMachine}/overlaps/$unit $machine $$") or die "overlap: $!";
}
while (1) { syswrite $beats, '.'; select(undef, undef, undef, 0.2); }
`;

/** Makes the folders on the host. */
export async function makeFolders(host: string): Promise<void> {
  for (const name of ['locks', 'beats', 'overlaps']) await mkdir(join(host, name), { recursive: true });
}

/** Every process there has been, in order of their beginning. */
export async function readLives(host: string): Promise<readonly Life[]> {
  const lives: Life[] = [];
  for (const name of await readdir(join(host, 'beats'))) {
    const [unit = '', machine = '', pid, fromS] = name.split(' ');
    const { mtimeMs } = await stat(join(host, 'beats', name));
    lives.push({ unit, machine, pid: Number(pid), fromMs: Number(fromS) * 1_000, untilMs: Math.round(mtimeMs) });
  }
  return lives.sort((left, right) => left.fromMs - right.fromMs);
}

export async function readOverlaps(host: string): Promise<readonly Overlap[]> {
  const names = await readdir(join(host, 'overlaps'));
  return Promise.all(names.map(async (name) => {
    const [unit = '', machine = ''] = name.split(' ');
    return { unit, machine, atMs: Math.round((await stat(join(host, 'overlaps', name))).mtimeMs) };
  }));
}
