/**
 * Loaded before every test file: property tests draw the same cases in every run of `npm test`, so that one commit has one result.
 * FLEET_TEST_SEED=N draws others; a failure prints the seed and the path that bring it back.
 */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env['FLEET_TEST_SEED'] ?? 1) });
