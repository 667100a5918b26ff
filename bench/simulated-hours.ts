/** How fast clusters are simulated (simulation.ts measures). */
import { linesOfScript, type Bench, type Measure, type Row } from './measure.ts';

export const simulatedHours: Measure = {
  name: 'simulation', quick: true, limitMs: 300_000,
  async measure(bench: Bench): Promise<readonly Row[]> {
    const [line = ''] = await linesOfScript(bench, 'bench/simulation.ts', [bench.quick ? '20' : '200']);
    const [, ran, perMinute] = /^(\d+ seeds, [\d.]+ simulated hours), (\d+) simulated hours per minute$/.exec(line) ?? [];
    if (ran === undefined || perMinute === undefined) throw new Error('bench/simulation.ts does not print what is looked for');
    return [{ what: 'simulated hours per minute', target: '', figure: perMinute, beside: ran, met: null }];
  },
};
