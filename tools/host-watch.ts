/**
 * What the host of a test run did to it: processors that stood still or were taken away, a clock that was set. A test on real machines that
 * fails beside one of these may have failed for it.
 */
import { readFileSync } from 'node:fs';

const everyMs = 100;
/** Shorter ones happen on every busy machine. */
const stallMsMin = 500;
const stepMsMin = 200;
/** Troubles that are told; a host with more is told by their number. */
const toldMax = 20;

/** One look at the host. */
export interface HostLook {
  /** Since the start of the run. */
  readonly uptimeMs: number;
  readonly nowMs: number;
}

/** What lies between two looks that should have been `everyMs` apart, in words; '' when nothing. */
export function troubleBetween(before: HostLook, after: HostLook): string {
  const at = `after ${(after.uptimeMs / 1_000).toFixed(1)} s`;
  const gapMs = after.uptimeMs - before.uptimeMs;
  const stepMs = after.nowMs - before.nowMs - gapMs;
  const stall = gapMs - everyMs >= stallMsMin ? [`${at} nothing had run for ${gapMs.toFixed(0)} ms`] : [];
  const step = Math.abs(stepMs) >= stepMsMin ? [`${at} the clock was set by ${stepMs.toFixed(0)} ms`] : [];
  return [...stall, ...step].join(', ');
}

/** Watches the host until it is asked; answers in one line what it saw. */
export function watchHost(): () => string {
  const troubles: string[] = [];
  const look = (): HostLook => ({ uptimeMs: performance.now(), nowMs: Date.now() });
  const stolenBefore = stolenMs();
  let last = look();
  const timer = setInterval(() => {
    const next = look();
    const trouble = troubleBetween(last, next);
    if (trouble !== '') troubles.push(trouble);
    last = next;
  }, everyMs);
  timer.unref();
  return () => {
    clearInterval(timer);
    const more = troubles.length > toldMax ? [`${String(troubles.length - toldMax)} more`] : [];
    const stolen = ((stolenMs() - stolenBefore) / 1_000).toFixed(1);
    return [`other guests of the host had our processors for ${stolen} s`, ...troubles.slice(0, toldMax), ...more].join('; ');
  };
}

/** Processor time that the hypervisor gave to others (proc(5), "steal", in hundredths of a second); 0 where the kernel does not tell. */
function stolenMs(): number {
  try {
    return Number(/^cpu +(?:\d+ +){7}(\d+)/.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? 0) * 10;
  } catch {
    return 0;
  }
}
