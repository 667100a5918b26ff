/**
 * What two fleetd say to each other over the peer port.
 * Promises: paths are built and read here only; a path that is not exactly one of these forms means nothing.
 *
 * GET /peer/v1/MACHINE/status/NAME                                      -> StatusText as JSON
 * GET /peer/v1/MACHINE/journal/NAME?lines=N&follow=BOOLEAN&output=WORD  -> text/plain, chunked
 */
import { parseUnitName } from '../../core/unit-name.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type { MachineId } from '../../core/machine.ts';
import { limits } from '../../core/limits.ts';
import type { JournalRequest } from '../needs.ts';

export type PeerRequest =
  | { readonly kind: 'status'; readonly machine: MachineId; readonly name: UnitName }
  | { readonly kind: 'journal'; readonly machine: MachineId; readonly journal: JournalRequest };

export function statusPath(machine: MachineId, name: UnitName): string {
  return `/peer/v1/${encodeURIComponent(machine)}/status/${encodeURIComponent(name)}`;
}

export function journalPath(machine: MachineId, journal: JournalRequest): string {
  const query = new URLSearchParams({
    lines: String(journal.lines),
    follow: String(journal.follow),
    output: journal.output,
  });
  return `/peer/v1/${encodeURIComponent(machine)}/journal/${encodeURIComponent(journal.name)}?${query.toString()}`;
}

/** journalctl's output formats are words such as "short" and "json-pretty". */
const outputPattern = /^[a-z-]{1,32}$/;

/** Reads a request's path and query; null when it is none of the above. */
export function readPeerPath(target: string): PeerRequest | null {
  const url = URL.parse(target, 'https://peer');
  const parts = url?.pathname.split('/').slice(1).map(decode) ?? [];
  const [root, version, machine = '', kind, text = ''] = parts;
  const name = parseUnitName(text);
  if (url === null || parts.length !== 5 || root !== 'peer' || version !== 'v1' || machine === '' || !name.ok) {
    return null;
  }
  if (kind === 'status') return { kind, machine: machine as MachineId, name: name.value.name };
  if (kind !== 'journal') return null;
  const lines = Number(url.searchParams.get('lines') ?? 'none');
  const output = url.searchParams.get('output') ?? '';
  if (!Number.isInteger(lines) || lines < 0 || lines > limits.journalLinesMax || !outputPattern.test(output)) {
    return null;
  }
  const follow = url.searchParams.get('follow') === 'true';
  return { kind, machine: machine as MachineId, journal: { name: name.value.name, lines, follow, output } };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return ''; // Malformed escapes name nothing.
  }
}
