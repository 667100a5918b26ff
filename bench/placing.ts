/** What placing a million units costs in one process (placement.ts measures). */
import { linesOfScript, median, ms, type Bench, type Measure, type Row } from './measure.ts';

const wholeMs = 10_000;
const memoryMiB = 2_048;
const oneMs = 1;
const lossMs = 1_000;

export const placing: Measure = {
  name: 'placement', quick: false, limitMs: 600_000,
  async measure(bench: Bench): Promise<readonly Row[]> {
    const lines = await linesOfScript(bench, 'bench/placement.ts', ['1000000', '10000']);
    const [whole] = figures(lines, 'from nothing');
    const [again] = figures(lines, 'the same again, once it is carried out');
    const [loss] = figures(lines, 'a hundredth of the machines lost');
    const ones = figures(lines, 'one unit more');
    if (whole === undefined || again === undefined || loss === undefined || ones.length === 0)
      throw new Error('bench/placement.ts does not print what is looked for');
    const one = median(ones.map(({ wallMs }) => wallMs));
    return [
      { what: '1,000,000 units placed on 10,000 machines from nothing', target: `≤ ${ms(wholeMs)}`, figure: ms(whole.wallMs),
        beside: whole.blocked, met: whole.wallMs <= wholeMs },
      { what: 'the same: memory', target: `≤ ${memoryMiB} MiB RSS`, figure: `${whole.memoryMiB} MiB`, beside: '', met: whole.memoryMiB <= memoryMiB },
      { what: 'all of them looked at again', target: '', figure: ms(again.wallMs), beside: again.blocked, met: null },
      { what: 'one unit more', target: `≤ ${ms(oneMs)}`, figure: `${one.toFixed(2)} ms`, beside: `${ones.length} units, one by one`, met: one <= oneMs },
      { what: '100 of the machines lost', target: `≤ ${ms(lossMs)}`, figure: ms(loss.wallMs), beside: loss.blocked, met: loss.wallMs <= lossMs },
    ];
  },
};

interface Figure {
  readonly wallMs: number;
  readonly memoryMiB: number;
  /** How long the event loop was blocked, in words. */
  readonly blocked: string;
}

function figures(lines: readonly string[], what: string): readonly Figure[] {
  return lines.filter((line) => line.trim().startsWith(`${what}:`)).flatMap((line) => {
    const found = /ms of CPU, ([\d.]+) ms, (loop blocked at most \d+ ms); (\d+) MiB RSS/.exec(line);
    return found === null ? [] : [{ wallMs: Number(found[1]), blocked: found[2] ?? '', memoryMiB: Number(found[3]) }];
  });
}
