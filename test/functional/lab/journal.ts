/** The journal of a machine: what fleetd said there. */
import { until } from './command.ts';
import type { Machine } from './machine.ts';

/** Waits for a line of fleetd's journal on `machine` that was written after `cursor`. */
export async function logged(machine: Machine, cursor: string, line: RegExp): Promise<void> {
  const read = (): Promise<string> => machine.sh(`journalctl -q -u fleet -o cat --no-pager --after-cursor='${cursor}'`);
  const whole = (): Promise<string> => machine.sh('journalctl -q -n 40 -o short-precise --no-pager');
  await until(async () => line.test(await read()),
    async () => `${machine.name} logs ${String(line)}: ${await read()}\nThe end of its whole journal:\n${await whole()}`);
}

/** Where the journal of `machine` ends now. */
export async function journalCursor(machine: Machine): Promise<string> {
  return (await machine.sh('journalctl -n 0 --show-cursor --no-pager')).replace(/^[^]*-- cursor: /, '').trim();
}
