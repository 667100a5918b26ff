/**
 * What a machine's manager gets to read of a unit: the submitted file, and drop-ins for what fleet adds.
 * Promises: the same assignment and file give the same rendering on every version that adds nothing, so a new fleetd
 * restarts no unit; the submitted text is changed only where it names ports that nobody else would put in.
 */
import { createHash } from 'node:crypto';
import { fenceDropIn } from '../fence/drop-in.ts';
import type { Assignment, FileHash } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { remembered } from './remembered.ts';
import type { OfAssignment } from './remembered.ts';
import { portsDropIn, withPortsPut } from './render-ports.ts';

/** A unit file made ready for one machine. */
export interface RenderedUnit {
  readonly name: UnitName;
  /** The text systemd reads. */
  readonly text: string;
  /** Hash of the submitted file, shown to people. */
  readonly hash: FileHash;
  /** Drop-ins by file name ("10-fleet.conf"), without the directory. */
  readonly dropIns: Readonly<Record<string, string>>;
  /** Hash over text and drop-ins: two renderings with the same one are the same unit. */
  readonly renderedHash: string;
}

/** Renders a unit from its assignment and the text of the assigned file. A unit that needs nothing from fleet has no drop-in. */
export const renderUnit: OfAssignment<RenderedUnit> = remembered(render);

function render(name: UnitName, assignment: Assignment, text: string): RenderedUnit {
  const { hash, ports } = assignment;
  const dropIns = { ...fenceDropIn(assignment, text), ...portsDropIn(name, ports) };
  const put = Object.keys(ports).length === 0 ? text : withPortsPut(text, ports);
  return { name, text: put, hash, dropIns, renderedHash: hashRendering(put, dropIns) };
}

/** SHA-256 over a text and its drop-ins, whatever the order they were added in. */
function hashRendering(text: string, dropIns: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(dropIns).sort(([left], [right]) => (left < right ? -1 : 1));
  return createHash('sha256').update(JSON.stringify([text, sorted])).digest('hex');
}
