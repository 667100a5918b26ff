/**
 * `npm run build`: dist/fleetd and dist/fleetctl, one self-contained executable with two names (Node's single executable application).
 * Promises: what comes out runs on a Debian machine without Node, npm or this repository.
 */
import { build, type BuildOptions } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, linkSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const work = join(root, 'build');
const dist = join(root, 'dist');
/** Node's marker for where the application goes (Node documentation, "Single executable applications"). */
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

const bundling: BuildOptions = {
  bundle: true, platform: 'node', target: 'node24', format: 'cjs', minifySyntax: true, minifyWhitespace: true, legalComments: 'none',
  // ssh2 asks for faster native parts and does without them.
  external: ['*.node', 'cpu-features'],
  logLevel: 'warning', define: { 'import.meta.url': '"file:///"' },
};

/** The real Node binary: the npm package's launcher in .bin is a link to it. */
function nodeBinary(): string {
  return realpathSync(process.execPath);
}

async function bundle(): Promise<void> {
  await build({ ...bundling, entryPoints: [join(root, 'tools/executable-entry.ts')], outfile: join(work, 'fleet.cjs') });
  await build({ ...bundling, entryPoints: [join(root, 'src/store/embedded/database-worker.ts')], outfile: join(work, 'embedded-worker.js') });
}

function makeExecutable(): string {
  const description = join(work, 'sea.json');
  const blob = join(work, 'fleet.blob');
  const executable = join(work, 'fleet');
  writeFileSync(description, JSON.stringify({
    main: join(work, 'fleet.cjs'), output: blob, disableExperimentalSEAWarning: true, useCodeCache: true, useSnapshot: false,
    execArgv: ['--disable-warning=ExperimentalWarning'],
    assets: { keeper: join(root, 'native/keeper/keeper'), 'embedded-worker.js': join(work, 'embedded-worker.js') },
  }));
  execFileSync(nodeBinary(), ['--experimental-sea-config', description], { cwd: work, stdio: ['ignore', 'ignore', 'inherit'] });
  copyFileSync(nodeBinary(), executable);
  chmodSync(executable, 0o755);
  // Debug symbols are a fifth of the file and nobody needs them; without strip the executable is only larger.
  try {
    execFileSync('strip', [executable], { stdio: 'ignore' });
  } catch {
    process.stdout.write('no strip on this machine: the executables stay larger\n');
  }
  const postject = createRequire(import.meta.url).resolve('postject/dist/cli.js');
  // It warns about each section without a name; what it says is shown only when it fails.
  execFileSync(nodeBinary(), [postject, executable, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', fuse], { stdio: 'pipe' });
  return executable;
}

mkdirSync(work, { recursive: true });
mkdirSync(dist, { recursive: true });
execFileSync('make', ['-s', '-C', join(root, 'native/keeper')], { stdio: ['ignore', 'inherit', 'inherit'] });
await bundle();
const executable = makeExecutable();
for (const name of ['fleetd', 'fleetctl']) {
  rmSync(join(dist, name), { force: true });
  linkSync(executable, join(dist, name));
}
rmSync(executable);
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string };
process.stdout.write(`dist/fleetd and dist/fleetctl ${version}: ${(statSync(join(dist, 'fleetd')).size / 1_048_576).toFixed(0)} MiB\n`);
