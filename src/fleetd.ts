/**
 * fleetd: runs on every machine of the cluster.
 * Promises: wrong usage or configuration is one line on stderr and exit 2 or 1, with nothing started; SIGTERM and SIGINT end it in order with
 * exit 0; SIGHUP reads the configuration again and interrupts nothing; SIGUSR1 prints the state as JSON; systemd hears when
 * fleetd is ready and that it lives.
 */
import { openNotifier, type Notifier } from './host/notify.ts';
import { createLog, type Log } from './lib/log.ts';
import { createBell, type Bell } from './lib/wakeups.ts';
import { version } from './lib/version.ts';
import { helpText, liveSettings, loadConfig, planFor, readCommandLine } from './fleetd/configuration.ts';
import type { LiveSettings } from './fleetd/plan.ts';
import { runFleetd } from './fleetd/process.ts';

async function run(argv: readonly string[]): Promise<number> {
  // From the first moment: without a listener this signal would open Node's debugger to everybody on the machine.
  process.on('SIGUSR1', () => undefined);
  const asked = readCommandLine(argv);
  if (!asked.ok) return complain(asked.failure.message, 2);
  if (asked.value.kind !== 'run') {
    process.stdout.write(asked.value.kind === 'help' ? helpText : `fleetd version ${version}\n`);
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
  const hangup = createBell();
  process.on('SIGHUP', () => hangup.wake());
  const watchdog = feedWatchdog(notifier);
  const reload = { configFile: asked.value.configFile, notifier, log: createLog('config', 'info', (line) => process.stderr.write(`${line}\n`)) };
  const ended = await runFleetd(plan.value, {
    signal: stop.signal,
    onReady(_urls, { apply, dumpState }) {
      notifier.ready();
      dumpOnSignal(dumpState, reload.log);
      // A SIGHUP that came before is not lost: the bell has rung.
      void reloadOn(hangup, { ...reload, apply }, stop.signal);
    },
  });
  clearInterval(watchdog);
  notifier.close();
  return ended.ok ? 0 : complain(ended.failure.message, 1);
}

interface Reload {
  readonly configFile: string | null;
  readonly notifier: Notifier;
  readonly log: Log;
  readonly apply: (settings: LiveSettings) => void;
}

/** Reads the configuration again whenever the bell rings; a wrong one is said and the old one stays. Ends with the signal. */
async function reloadOn(hangup: Bell, { configFile, notifier, log, apply }: Reload, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await hangup.wait(signal);
    } catch {
      return; // Aborted: fleetd ends.
    }
    notifier.reloading();
    log.info('Reloading configuration');
    const config = await loadConfig(configFile, process.env);
    if (config.ok) apply(await liveSettings(config.value));
    else log.error(`${config.failure.message}; the configuration stays as it was`);
    notifier.ready();
  }
}

/** Prints the state as one line of JSON whenever SIGUSR1 comes, as fleet 1.0 does. */
function dumpOnSignal(dumpState: () => Promise<string>, log: Log): void {
  process.on('SIGUSR1', () => {
    dumpState().then(
      (state) => process.stdout.write(`${state.trim()}\n`),
      (error: unknown) => log.error(`the state could not be printed: ${String(error)}`),
    );
  });
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
