/**
 * A program that finds out when it runs twice: flock(2) on one file of the host that all machines see, so that the kernel is the judge.
 * Promises: every run leaves a line with its machine and its fencing token; a run that finds the lock taken leaves a line in `overlaps`.
 */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where machines see the folder of the host. */
export const sharedFolder = '/shared';

/** Perl, because every Debian has it. It ignores SIGTERM: only SIGKILL ends it, when its TimeoutStopSec= is over. */
const script = `#!/usr/bin/perl
use strict; use Fcntl ':flock';
my ($unit, $machine) = @ARGV;
$SIG{TERM} = 'IGNORE';
open(my $lock, '>>', "${sharedFolder}/$unit.lock") or die "lock: $!";
open(my $runs, '>>', "${sharedFolder}/$unit.runs") or die "runs: $!";
my $taken = !flock($lock, LOCK_EX | LOCK_NB);
if ($taken) { open(my $overlaps, '>>', "${sharedFolder}/overlaps") or die "overlaps: $!"; syswrite $overlaps, "$unit $machine\\n"; }
syswrite $runs, "$machine $ENV{FLEET_FENCE}\\n";
sleep 1 while 1;
`;

/** Makes the folder on the host. */
export async function makeSharedFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fleet-shared-'));
  await writeFile(join(folder, 'holder'), script, { mode: 0o755 });
  await writeFile(join(folder, 'overlaps'), '');
  return folder;
}

/** A unit that holds its lock as long as it runs. */
export const holder = (placement: string): string => `[Service]
ExecStart=${sharedFolder}/holder %n %H
TimeoutStopSec=2s

[X-Fleet]
${placement}
`;

/** The runs of a unit so far: machine and fencing token, oldest first. */
export async function runsOf(folder: string, unit: string): Promise<readonly { readonly machine: string; readonly fence: number }[]> {
  const text = await readFile(join(folder, `${unit}.runs`), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '').map((line) => {
    const [machine = '', fence] = line.split(' ');
    return { machine, fence: Number(fence) };
  });
}

/** Runs that found the lock taken, one line each. */
export const overlapsIn = (folder: string): Promise<string> => readFile(join(folder, 'overlaps'), 'utf8');
