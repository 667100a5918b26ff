#!/usr/bin/env node
// Runs a TypeScript file of this repository with the Node that package.json pins, installing npm packages first when they
// are missing or older than the lock file. Plain JavaScript: it must run on any Node from 20 on.
//   node tools/node24.mjs FILE [ARGUMENT...]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = join(root, 'node_modules/.bin/node');

/** Whether every package of the lock file stands in node_modules at the locked version. */
function packagesAreInstalled() {
  const installed = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installed) || !existsSync(node)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(installed, 'utf8')).packages;
  return Object.entries(wanted).every(([path, entry]) => path === '' || entry.optional || present[path]?.version === entry.version);
}

if (!packagesAreInstalled()) {
  process.stderr.write('installing npm packages ...\n');
  const install = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (install.status !== 0) {
    process.stderr.write('npm ci failed; run it by hand in the repository to see why\n');
    process.exit(1);
  }
}

const [file, ...rest] = process.argv.slice(2);
const child = spawn(node, ['--disable-warning=ExperimentalWarning', join(root, file), ...rest], { stdio: 'inherit' });
// Ctrl-C reaches the whole process group, so the child hears it itself; other signals are handed on.
process.on('SIGINT', () => undefined);
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal === null ? code : 128 + 15));
