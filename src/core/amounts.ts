/**
 * Amounts of memory and of CPU, as people write them for units and for machines.
 * Promises: pure; memory is read in systemd's notation (K, M, G … to the base of 1024, a share of the machine with "%"), CPU in
 * cores; what is printed is short and reads back.
 */
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';

/** An amount of memory: bytes, or hundredths of a percent of what the machine has. */
export type MemoryAmount = { readonly bytes: number } | { readonly basisPoints: number };

const suffixes = ['', 'K', 'M', 'G', 'T', 'P'] as const;
const sizeForm = /^(\d{1,16}(?:\.\d{1,9})?)([KMGTP]?)$/;
const shareForm = /^(\d{1,3}(?:\.\d{1,2})?)%$/;

/** Reads `512M`, `1.5G`, a number of bytes, or a share such as `25%`. */
export function readMemory(value: string): Result<MemoryAmount> {
  const [, percent] = shareForm.exec(value) ?? [];
  const basisPoints = Math.round(Number(percent) * 100);
  if (basisPoints <= 10_000) return success({ basisPoints });
  const [, number, suffix = ''] = sizeForm.exec(value) ?? [];
  const bytes = Math.floor(Number(number) * 1_024 ** suffixes.findIndex((each) => each === suffix));
  if (bytes <= Number.MAX_SAFE_INTEGER) return success({ bytes });
  return failure('UNIT_OPTION_INVALID', 'write an amount of memory such as 512M or 1.5G, or a share of the machine such as 25%');
}

const cpuMillisMax = 65_536_000;

/** Reads cores in thousandths of one: `1`, `0.5`. */
export function readCpuMillis(value: string): Result<number> {
  const millis = /^\d{1,5}(?:\.\d{1,3})?$/.test(value) ? Math.round(Number(value) * 1_000) : Number.NaN;
  if (millis <= cpuMillisMax) return success(millis);
  return failure('UNIT_OPTION_INVALID', 'write a number of CPUs such as 2 or 0.5');
}

/** Reads what CPUQuota= of systemd says, such as `150%`, in thousandths of a core; null for what limits nothing. */
export function quotaMillis(value: string): number | null {
  const [, percent] = /^(\d{1,7}(?:\.\d{1,2})?)%$/.exec(value) ?? [];
  const millis = Math.round(Number(percent) * 10);
  return millis > 0 && millis <= cpuMillisMax ? millis : null;
}

/** How many bytes an amount is on a machine. */
export function bytesOn(amount: MemoryAmount, machineBytes: number): number {
  return 'bytes' in amount ? amount.bytes : Math.ceil((machineBytes * amount.basisPoints) / 10_000);
}

/** "512M", "1.5G": at most two digits after the point, in the largest unit that is not zero. */
export function printBytes(bytes: number): string {
  let rest = bytes;
  let suffix = 0;
  while (rest >= 1_024 && suffix < suffixes.length - 1) {
    rest /= 1_024;
    suffix += 1;
  }
  return `${String(Math.floor(rest * 100) / 100)}${suffixes[suffix] ?? ''}`;
}

export function printMemory(amount: MemoryAmount): string {
  return 'bytes' in amount ? printBytes(amount.bytes) : `${String(amount.basisPoints / 100)}%`;
}

export function printCpus(millis: number): string {
  return String(millis / 1_000);
}
