/**
 * What differs between versions of etcd.
 * Promises: a version that cannot be read counts as too old for everything.
 */

type Version = readonly [major: number, minor: number, patch: number];

function parseVersion(text: string): Version {
  const [, major = '0', minor = '0', patch = '0'] = /^(\d+)\.(\d+)\.(\d+)/.exec(text) ?? [];
  return [Number(major), Number(minor), Number(patch)];
}

function isBefore(left: Version, right: Version): boolean {
  const index = left.findIndex((part, place) => part !== right[place]);
  return index !== -1 && (left[index] ?? 0) < (right[index] ?? 0);
}

/** Whether a request for progress on a watch is answered at all: since 3.4. */
export function answersProgressRequests(version: string): boolean {
  return !isBefore(parseVersion(version), [3, 4, 0]);
}

/**
 * Whether the answer to a request for progress comes after all events up to its revision. Before 3.4.31 and 3.5.13 it
 * may overtake them (etcd issues 15220 and 17507), so that resuming there would lose them.
 */
export function progressIsInOrder(version: string): boolean {
  const parsed = parseVersion(version);
  return !isBefore(parsed, isBefore(parsed, [3, 5, 0]) ? [3, 4, 31] : [3, 5, 13]);
}
