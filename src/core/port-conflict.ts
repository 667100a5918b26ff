/**
 * Whether a unit that could not start found a port of its own in use.
 * Promises: a port counts as in use when something listens on it while the unit does not run, or when what the unit wrote says
 * so; systemd itself has no result for it.
 */

/** What is known when a unit has failed. */
export interface FailedStart {
  /** Its ports. */
  readonly ports: readonly number[];
  /** Ports on which somebody listens now. */
  readonly listening: ReadonlySet<number>;
  /** What it wrote last. */
  readonly lines: readonly string[];
}

/** Words of the C library, Node, Go, Java, Python and Docker. */
const inUse = /address (?:is )?already in use|EADDRINUSE|port is already allocated|errno 98\b|only one usage of each socket address/i;
const lineCharactersMax = 200;

/** The ports that were in use, with what was seen, one line each. */
export function conflictsOf({ ports, listening, lines }: FailedStart): readonly { readonly port: number; readonly why: string }[] {
  const listened = ports.filter((port) => listening.has(port));
  if (listened.length > 0) return listened.map((port) => ({ port, why: 'something else listens on it' }));
  const complaint = lines.findLast((line) => inUse.test(line));
  if (complaint === undefined) return [];
  const why = complaint.trim().slice(0, lineCharactersMax);
  const named = ports.filter((port) => new RegExp(`(?<!\\d)${String(port)}(?!\\d)`).test(complaint));
  if (named.length > 0) return named.map((port) => ({ port, why }));
  // A line about a port that is none of the unit's is about something else.
  const isAboutOther = /(?<![\d.])[1-9]\d{3,4}(?!\d)/.test(complaint);
  return isAboutOther ? [] : ports.map((port) => ({ port, why }));
}
