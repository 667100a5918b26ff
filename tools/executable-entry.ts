/** The entry of the single executable: one file with two names, told apart by the name it was called with. */
import { basename } from 'node:path';

const called = basename(process.argv0);
const program = called.startsWith('fleetctl') ? import('../src/fleetctl.ts') : import('../src/fleetd.ts');
program.then(({ main }) => main()).catch((error: unknown) => {
  process.stderr.write(`${called}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 70; // EX_SOFTWARE of sysexits(3): a bug of ours.
});
