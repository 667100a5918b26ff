/**
 * The root file system of the lab's machines: a small Debian with systemd, built once by debootstrap and kept in a cache.
 * Promises: two test runs at once build it once (lock), a half-built one is never used (renamed into place when complete).
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { must } from './command.ts';

const packages = [
  'systemd', 'systemd-sysv', 'dbus', 'iproute2', 'procps', 'libstdc++6', 'libatomic1', 'util-linux', 'iputils-ping', 'iptables',
  'curl', 'ca-certificates', 'openssh-server', 'openssh-client', 'sudo', 'python3-minimal', 'libpython3-stdlib', 'nginx-light',
];

/** Units that do nothing useful in a container or take long to start. */
const maskedUnits = [
  'getty.target', 'getty@.service', 'console-getty.service', 'getty-static.service', 'systemd-logind.service',
  'systemd-update-utmp.service', 'systemd-update-utmp-runlevel.service', 'systemd-tmpfiles-clean.timer', 'apt-daily.timer',
  'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'e2scrub_all.timer', 'e2scrub_reap.service', 'fstrim.timer',
  'systemd-hwdb-update.service', 'systemd-timesyncd.service', 'systemd-resolved.service', 'systemd-networkd.service',
  'systemd-firstboot.service', 'systemd-machine-id-commit.service', 'ldconfig.service', 'systemd-journal-catalog-update.service',
  'systemd-sysusers.service', 'systemd-update-done.service', 'systemd-ask-password-wall.path',
  'systemd-ask-password-console.path', 'nginx.service', 'ssh.service',
];

const configuration: Readonly<Record<string, string>> = {
  'etc/systemd/journald.conf.d/lab.conf': '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nForwardToConsole=no\n',
  'etc/systemd/system.conf.d/lab.conf': '[Manager]\nDefaultTimeoutStopSec=10s\n',
  'etc/machine-id': '',
  'etc/resolv.conf': '',
};

/** Builds the root file system when the cache has none for this list of packages; returns its directory. Needs root. */
export async function rootFileSystem(cacheDirectory: string): Promise<string> {
  const content = createHash('sha1').update(JSON.stringify([packages, maskedUnits, configuration])).digest('hex').slice(0, 12);
  const directory = join(cacheDirectory, `rootfs-${content}`);
  if (existsSync(directory)) return directory;
  await mkdir(cacheDirectory, { recursive: true });
  const partial = `${directory}.partial-${process.pid}`;
  await rm(partial, { recursive: true, force: true });
  await must(['debootstrap', '--variant=minbase', `--include=${packages.join(',')}`, 'bookworm', partial], { timeoutMs: 600_000 });
  for (const unit of maskedUnits) {
    await rm(join(partial, 'etc/systemd/system', unit), { force: true });
    await symlink('/dev/null', join(partial, 'etc/systemd/system', unit));
  }
  for (const [path, text] of Object.entries(configuration)) {
    await mkdir(join(partial, path, '..'), { recursive: true });
    await rm(join(partial, path), { force: true });
    await writeFile(join(partial, path), text);
  }
  await must(['sh', '-c', 'rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/* "$1"/var/lib/dbus/machine-id', 'sh', partial]);
  await rename(partial, directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error; // Another run was faster: use its result.
  });
  return directory;
}
