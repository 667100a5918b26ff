/**
 * fleetd: runs on every machine of the cluster.
 * Promises: wrong usage or configuration is one line on stderr and exit 2 or 1, with nothing started; SIGTERM and SIGINT end it in order with
 * exit 0; systemd hears when it is ready and that it lives.
 */
import { openNotifier, type Notifier } from './host/notify.ts';
import { createLog } from './lib/log.ts';
import { version } from './lib/version.ts';
import { loadConfig, planFor, readCommandLine } from './fleetd/configuration.ts';
import { runFleetd } from './fleetd/process.ts';

async function run(argv: readonly string[]): Promise<number> {
  const asked = readCommandLine(argv);
  if (!asked.ok) return complain(asked.failure.message, 2);
  if (asked.value.kind === 'version') {
    process.stdout.write(`fleetd version ${version}\n`);
    return 0;
  }
  const config = await loadConfig(asked.value.configFile, process.env);
  if (!config.ok) return complain(config.failure.message, 1);
  const plan = await planFor(config.value, process.env);
  if (!plan.ok) return complain(plan.failure.message, 1);
  const notifier = openNotifier(plan.value.keeper, process.env, createLog('notify', 'info', (line) => process.stderr.write(`${line}\n`)));
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      notifier.stopping();
      stop.abort();
    });
  }
  const watchdog = feedWatchdog(notifier);
  const ended = await runFleetd(plan.value, { signal: stop.signal, onReady: () => notifier.ready() });
  clearInterval(watchdog);
  notifier.close();
  return ended.ok ? 0 : complain(ended.failure.message, 1);
}

/** Tells systemd three times in each watchdog interval that the event loop turns (sd_watchdog_enabled(3)). */
function feedWatchdog(notifier: Notifier): NodeJS.Timeout | undefined {
  const intervalMs = Number(process.env['WATCHDOG_USEC'] ?? 0) / 1_000;
  return intervalMs > 0 ? setInterval(() => notifier.watchdog(), intervalMs / 3) : undefined;
}

function complain(message: string, code: number): number {
  process.stderr.write(`fleetd: ${message}\n`);
  return code;
}

// No top-level await: the bundle of the built executable is CommonJS.
run(process.argv.slice(2)).then((code) => { process.exitCode = code; }, (error: unknown) => {
  process.stderr.write(`fleetd: internal error, please report it: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(70); // EX_SOFTWARE of sysexits(3): a bug of ours; the service manager starts us again.
});
