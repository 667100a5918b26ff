/**
 * What systemd alone needs for a reload, and for starts, by the number of units it has loaded: one real machine.
 *   node bench/systemd-reload.ts [UNITS...]      (default 100 1000 10000)
 * Prints one line of JSON for each size, for bench/scaling.ts.
 */
import { labCache, openLab } from '../test/functional/lab/lab.ts';

/** What was measured with so many units loaded. */
export interface ReloadFigures {
  readonly units: number;
  readonly reloadMs: number;
  /** Starting those that were added to the size before. */
  readonly startMsPerUnit: number;
  readonly systemdMib: number;
}

const scriptMsMax = 300_000;
const rounds = 3;

const sizes = process.argv.slice(2).map(Number);
const lab = await openLab({ name: 'br', gateway: '10.58.0.1', cacheDirectory: labCache(process.env) });
try {
  const [machine] = await lab.boot([{ name: 'r1', id: 'b1000000000000000000000000000001', address: '10.58.7.1' }]);
  if (machine === undefined) throw new Error('no machine was booted');
  let before = 0;
  for (const units of sizes.length > 0 ? sizes : [100, 1_000, 10_000]) {
    const timed = async (script: string): Promise<number> => Number(await machine.sh(
      `s=$(date +%s%N); ${script} >/dev/null 2>&1; echo $(( ($(date +%s%N) - s) / 1000 ))`, { timeoutMs: scriptMsMax })) / 1_000;
    const text = '[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/bin/true\\n';
    const write = `for i in $(seq ${before + 1} ${units}); do printf '${text}' >/run/systemd/system/load-$i.service; done`;
    await machine.sh(write, { timeoutMs: scriptMsMax });
    const startMs = await timed(`seq -f 'load-%g.service' ${before + 1} ${units} | xargs systemctl start`);
    const reloads: number[] = [];
    for (let round = 0; round < rounds; round += 1) reloads.push(await timed('systemctl daemon-reload'));
    const systemdMib = Number((await machine.sh('grep VmRSS /proc/1/status')).replace(/\D/g, '')) / 1_024;
    const figures: ReloadFigures = { units, reloadMs: Math.min(...reloads), startMsPerUnit: startMs / (units - before), systemdMib };
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    before = units;
  }
} finally {
  await lab.close();
}
