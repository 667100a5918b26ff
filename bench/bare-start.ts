/** How long the built fleetctl takes to say its version, beside the Node it is made of running an empty file. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../test/functional/lab/command.ts';
import { median, ratioRow, root, type Bench, type Measure, type Row } from './measure.ts';

const targetRatio = 1.2;

export const bareStart: Measure = {
  name: 'start of the executable', quick: true, limitMs: 60_000,
  async measure({ quick }: Bench): Promise<readonly Row[]> {
    const directory = await mkdtemp(join(tmpdir(), 'fleet-bench-'));
    const empty = join(directory, 'empty.cjs');
    await writeFile(empty, '');
    const fleetctl: number[] = [];
    const node: number[] = [];
    try {
      for (let round = 0; round < (quick ? 15 : 40); round += 1) {
        fleetctl.push(await tookMs([join(root, 'dist/fleetctl'), 'version']));
        node.push(await tookMs([process.execPath, empty]));
      }
    } finally {
      await rm(directory, { recursive: true });
    }
    return [ratioRow('`fleetctl version`', targetRatio, { tookMs: median(fleetctl), besideMs: median(node), beside: 'bare Node' })];
  },
};

async function tookMs(command: readonly string[]): Promise<number> {
  const beganMs = performance.now();
  // An empty environment: NODE_EXTRA_CA_CERTS, for one, costs Node tens of milliseconds.
  const { code, stderr } = await run(command, { env: { PATH: '/usr/bin:/bin' } });
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${stderr}`);
  return performance.now() - beganMs;
}
