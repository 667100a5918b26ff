/**
 * `npm run nemesis -- --seed N --minutes M`: faults on real machines while people work, and whether every promise held.
 * Promises: prints each fault with its evidence as it happens and a summary; ends with 1 when a promise was broken, 2 for wrong usage.
 */
import { parseArgs } from 'node:util';
import { runNemesis } from '../test/nemesis/run.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' }, minutes: { type: 'string', default: '2' } } });
  const seed = Number(values.seed);
  const minutes = Number(values.minutes);
  if (!Number.isSafeInteger(seed) || seed < 0) return wrong(`--seed ${values.seed} is not a whole number`);
  if (!(minutes > 0 && minutes <= 24 * 60)) return wrong(`--minutes ${values.minutes} is not between 0 and 1440`);
  const result = await runNemesis({ seed, minutes, lab: process.env['FLEET_TEST_LAB'] ?? 'nem', log: print });
  for (const line of result.summary) print(line);
  for (const line of result.violations) print(`BROKEN: ${line}`);
  if (result.violations.length === 0) {
    print('every promise held');
    return 0;
  }
  print(`${result.violations.length} promises broken; again: npm run nemesis -- --seed ${seed} --minutes ${minutes}`);
  return 1;
}

function wrong(message: string): number {
  process.stderr.write(`${message}\n`);
  return 2;
}

process.exitCode = await main();
