/**
 * `npm run build`: dist/fleetd and dist/fleetctl, one self-contained executable with two names (Node's single executable application).
 * Promises: what comes out runs on a Debian machine without Node, npm or this repository; a command reads and compiles only what it needs
 * (docs/design/executable.md).
 */
import { build, transformSync, type BuildOptions } from 'esbuild';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, linkSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { partParameters } from './load-parts.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const work = join(root, 'build');
const dist = join(root, 'dist');
/** Node's marker for where the application goes (Node documentation, "Single executable applications"). */
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

const parts = join(work, 'parts');

const bundling: BuildOptions = {
  bundle: true, platform: 'node', target: 'node24', format: 'cjs', minifySyntax: true, minifyWhitespace: true, legalComments: 'none',
  // ssh2 asks for faster native parts and does without them.
  external: ['*.node', 'cpu-features'],
  logLevel: 'warning', define: { 'import.meta.url': '"file:///"' },
};

/** What the executable's Node is always started with. V8's own flags belong here, too: code is accepted only under the flags it was made with. */
const execArgv = ['--disable-warning=ExperimentalWarning', '--min-semi-space-size=16'];

/** Commands that are run so that V8's code of them is kept. Nobody answers at that endpoint. */
const nowhere = '--endpoint=unix:///nonexistent/fleet.sock';
const warming: readonly (readonly string[])[] = [
  ['fleetd', '--version'],
  ['fleetctl', 'version'],
  ['fleetctl', 'help'],
  ...['list-units', 'list-unit-files', 'list-machines'].map((verb) => ['fleetctl', nowhere, verb]),
  ...['start', 'stop', 'destroy', 'status', 'explain'].map((verb) => ['fleetctl', nowhere, verb, 'any.service']),
];

/** The real Node binary: the npm package's launcher in .bin is a link to it. */
function nodeBinary(): string {
  return realpathSync(process.execPath);
}

async function bundle(): Promise<void> {
  await build({ ...bundling, entryPoints: [join(root, 'tools/executable-entry.ts')], outfile: join(work, 'fleet.cjs') });
  await build({ ...bundling, entryPoints: [join(root, 'tools/warm-parts.ts')], outfile: join(work, 'warm-parts.cjs') });
  await build({ ...bundling, entryPoints: [join(root, 'src/store/embedded/database-worker.ts')], outfile: join(work, 'embedded-worker.js') });
  await build({
    ...bundling, format: 'esm', splitting: true, outdir: parts,
    entryPoints: [join(root, 'src/fleetctl.ts'), join(root, 'src/fleetd.ts')],
  });
}

/** Makes functions of what esbuild splits the programs into, as tools/load-parts.ts loads them, and keeps V8's code of them. */
function makeParts(): void {
  for (const name of readdirSync(parts)) {
    const path = join(parts, name);
    const { code } = transformSync(readFileSync(path, 'utf8'), {
      format: 'cjs', platform: 'node', target: 'node24', minifySyntax: true, minifyWhitespace: true, supported: { 'dynamic-import': false },
    });
    writeFileSync(path, `(function(${partParameters}){${code}})`, 'ascii');
  }
  for (const command of [...warming, []]) {
    const { error, stderr, status } = spawnSync(nodeBinary(), [...execArgv, join(work, 'warm-parts.cjs'), parts, ...command], { encoding: 'utf8' });
    // A command that reaches nobody ends with 1; a bug of the programs ends them otherwise, or with a trace.
    if (error !== undefined || (status !== 0 && status !== 1) || /internal error|\n {4}at /.test(stderr))
      throw new Error(`${command.join(' ')}: ${error?.message ?? stderr}`);
  }
}

function makeExecutable(): string {
  const description = join(work, 'sea.json');
  const blob = join(work, 'fleet.blob');
  const executable = join(work, 'fleet');
  writeFileSync(description, JSON.stringify({
    main: join(work, 'fleet.cjs'), output: blob, disableExperimentalSEAWarning: true, useCodeCache: true, useSnapshot: false, execArgv,
    assets: {
      ...Object.fromEntries(readdirSync(parts).map((name) => [name, join(parts, name)])),
      keeper: join(root, 'native/keeper/keeper'), 'embedded-worker.js': join(work, 'embedded-worker.js'),
    },
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

rmSync(parts, { recursive: true, force: true });
mkdirSync(work, { recursive: true });
mkdirSync(dist, { recursive: true });
execFileSync('make', ['-s', '-C', join(root, 'native/keeper')], { stdio: ['ignore', 'inherit', 'inherit'] });
await bundle();
makeParts();
const executable = makeExecutable();
for (const name of ['fleetd', 'fleetctl']) {
  rmSync(join(dist, name), { force: true });
  linkSync(executable, join(dist, name));
}
rmSync(executable);
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string };
process.stdout.write(`dist/fleetd and dist/fleetctl ${version}: ${(statSync(join(dist, 'fleetd')).size / 1_048_576).toFixed(0)} MiB\n`);
