/**
 * The program every unit runs, and what it leaves on the host: a lock and a port the kernel guards, heartbeats, collisions.
 * Promises: a process holds the lock of its unit's name, and its port on its machine, for as long as it lives; a process that finds one of them taken
 * says so at once; each process writes to a file of its own, so that nothing is lost when machines lose power.
 */
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Collision, Life } from './history.ts';
import { folderInMachine } from './templates.ts';

/** Perl, because every Debian has it: flock(2), one heartbeat each 200 ms. Times are those of the files, kept by the host's kernel. */
const holderScript = `#!/usr/bin/perl
use strict; use Fcntl ':flock'; use IO::Socket::INET;
my ($unit, $machine) = @ARGV;
my $name = "$unit $machine $$";
open(my $lock, '>>', "${folderInMachine}/locks/$unit") or die "lock: $!";
open(my $beats, '>>', "${folderInMachine}/beats/$name " . time . " $ENV{VERSION}") or die "beats: $!";
unless (flock($lock, LOCK_EX | LOCK_NB)) {
  open(my $overlap, '>>', "${folderInMachine}/overlaps/$name") or die "overlap: $!";
}
my $port = $ENV{FLEET_PORT};
my $socket = defined $port ? IO::Socket::INET->new(LocalPort => $port, Listen => 1, ReuseAddr => 1) : 1;
unless ($socket) {
  open(my $clash, '>>', "${folderInMachine}/clashes/$name $port") or die "clash: $!";
}
while (1) { syswrite $beats, '.'; select(undef, undef, undef, 0.2); }
`;

/** Makes the folders and the program on the host. */
export async function makeFolders(host: string): Promise<void> {
  for (const name of ['locks', 'beats', 'overlaps', 'clashes', 'files']) await mkdir(join(host, name), { recursive: true });
  await writeFile(join(host, 'holder'), holderScript, { mode: 0o755 });
}

/** Every process there has been, in order of their beginning. */
export async function readLives(host: string): Promise<readonly Life[]> {
  const lives: Life[] = [];
  for (const name of await readdir(join(host, 'beats'))) {
    const [unit = '', machine = '', pid, fromS, version] = name.split(' ');
    const { mtimeMs } = await stat(join(host, 'beats', name));
    lives.push({ unit, machine, pid: Number(pid), fromMs: Number(fromS) * 1_000, untilMs: Math.round(mtimeMs), version: Number(version) });
  }
  return lives.sort((left, right) => left.fromMs - right.fromMs);
}

/** Processes that found their unit's lock held by another one, or their port in use. */
export async function readCollisions(host: string, what: 'overlaps' | 'clashes'): Promise<readonly Collision[]> {
  const names = await readdir(join(host, what));
  return Promise.all(names.map(async (name) => {
    const [unit = '', machine = ''] = name.split(' ');
    return { unit, machine, atMs: Math.round((await stat(join(host, what, name))).mtimeMs) };
  }));
}
