/** The whole control plane with ten thousand shipped agents against one real etcd (control-plane.ts measures). */
import { linesOfScript, type Bench, type Measure, type Row } from './measure.ts';

export const wholeControlPlane: Measure = {
  name: 'control plane', quick: false, limitMs: 3_000_000,
  async measure(bench: Bench): Promise<readonly Row[]> {
    const lines = await linesOfScript(bench, 'bench/control-plane.ts', []);
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Row);
  },
};
