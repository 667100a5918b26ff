/** What units are compiled for on this machine: specifiers and base directories, for root or for a user (file-hierarchy(7)). */
import { readFile } from 'node:fs/promises';
import { homedir, hostname, release, userInfo } from 'node:os';
import { join } from 'node:path';
import type { CompileFacts } from './instructions.ts';

/** Reads the machine's facts; what cannot be read is empty. */
export async function readCompileFacts(environment: NodeJS.ProcessEnv): Promise<CompileFacts> {
  const isRoot = process.getuid?.() === 0;
  const home = homedir();
  const user = userInfo();
  const xdg = (name: string, fallback: string): string => environment[name] ?? join(home, fallback);
  const bases = isRoot
    ? {
      RuntimeDirectory: '/run', StateDirectory: '/var/lib', CacheDirectory: '/var/cache', LogsDirectory: '/var/log',
      ConfigurationDirectory: '/etc',
    }
    : {
      RuntimeDirectory: environment['XDG_RUNTIME_DIR'] ?? `/tmp/fleet-${String(user.uid)}`,
      StateDirectory: xdg('XDG_STATE_HOME', '.local/state'), CacheDirectory: xdg('XDG_CACHE_HOME', '.cache'),
      LogsDirectory: join(xdg('XDG_STATE_HOME', '.local/state'), 'log'), ConfigurationDirectory: xdg('XDG_CONFIG_HOME', '.config'),
    };
  const id = await readWord('/etc/machine-id');
  const bootId = (await readWord('/proc/sys/kernel/random/boot_id')).replaceAll('-', '');
  return {
    machine: { hostname: hostname(), id, bootId },
    bases,
    more: {
      t: bases.RuntimeDirectory, S: bases.StateDirectory, C: bases.CacheDirectory, L: bases.LogsDirectory, E: bases.ConfigurationDirectory,
      T: '/tmp', V: '/var/tmp', u: user.username, U: String(user.uid), G: String(user.gid), h: home, s: user.shell ?? '/bin/sh',
      l: hostname().split('.')[0] ?? '', v: release(),
    },
  };
}

async function readWord(path: string): Promise<string> {
  return (await readFile(path, 'utf8').catch(() => '')).trim();
}
