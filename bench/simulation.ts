/**
 * How fast clusters are simulated: hours of virtual time for each minute of the wall, on all processors.
 *   node bench/simulation.ts [SEEDS]
 */
import { runTasks } from '../tools/simulation/threads.ts';

const seeds = Number(process.argv[2] ?? 100);
const startMs = performance.now();
let lengthMs = 0;
await runTasks(Array.from({ length: seeds }, (_, index) => ({ seed: index + 1 })), { onRun: (_task, result) => void (lengthMs += result.lengthMs) });
const minutes = (performance.now() - startMs) / 60_000;
const hours = lengthMs / 3_600_000;
process.stdout.write(`${String(seeds)} seeds, ${hours.toFixed(1)} simulated hours, ${(hours / minutes).toFixed(0)} simulated hours per minute\n`);
