/** The entry of the single executable: one file with two names, told apart by the name it was called with. */
import { basename } from 'node:path';

// Only the program that was called is loaded; both complain about their own bugs.
if (basename(process.argv0).startsWith('fleetctl')) void import('../src/fleetctl.ts');
else void import('../src/fleetd.ts');
