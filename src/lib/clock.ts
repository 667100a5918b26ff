/**
 * Time as an argument. Promises: nothing outside this file and the adapters reads a clock or sets a timer,
 * so a virtual clock drives the whole cluster.
 */

/** Wall clock, a clock that never jumps and runs through suspend, and a way to wait. */
export interface Clock {
  /** Milliseconds since the epoch; may jump. For showing to people only. */
  nowMs(): number;
  /** Milliseconds since some fixed moment; never jumps back, runs through suspend. For deadlines and leases. */
  uptimeMs(): number;
  /** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
}
