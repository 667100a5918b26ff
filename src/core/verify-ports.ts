/**
 * What looks wrong about the ports of a unit: ranges that give trouble on most machines, and variables of ports nobody asks for.
 * Promises: warnings only; a pool may have any range, and a machine any range of outgoing connections.
 */
import type { Finding } from './finding.ts';
import { fleetSectionName, parseStoredFleetSection } from './fleet-section.ts';
import { portVariables, rangeWarnings, defaultEphemeral } from './ports.ts';
import type { UnitFile } from './unit-file.ts';
import { isTemplate } from './unit-name.ts';
import type { UnitName } from './unit-name.ts';

export function findPortWarnings(name: UnitName, file: UnitFile): readonly Finding[] {
  const section = parseStoredFleetSection(name, file);
  if (!section.ok) return [];
  const { ports } = section.value;
  const at = file.options.find((option) => option.section === fleetSectionName && option.name === 'Port');
  const warnings = ports.flatMap(({ name: port, from }) => ('pool' in from ? [] : rangeWarnings(from, [defaultEphemeral]))
    .map((warning): Finding => ({ code: 'PORTS_INVALID', line: at?.line ?? 0, text: port, message: `Port=${port}: ${warning}` })));
  // What a template leaves open may be the port that is missing.
  const isOpen = isTemplate(name) && file.options.some((option) => option.name === 'Port' && option.value.includes('%'));
  return isOpen ? warnings : [...warnings, ...unknownVariables(file, new Set(Object.keys(portVariables(numbered(ports)))))];
}

function numbered(ports: readonly { readonly name: string }[]): Readonly<Record<string, number>> {
  return Object.fromEntries(ports.map(({ name }) => [name, 0]));
}

/** Uses of a variable that no port of the unit fills: systemd would make nothing of it. One for each line. */
function unknownVariables(file: UnitFile, known: ReadonlySet<string>): readonly Finding[] {
  return file.options.flatMap(({ value, line }): readonly Finding[] => {
    const unknown = [...value.matchAll(/\$\{(FLEET_PORT(?:_[A-Z0-9_]+)?)\}/g)].map(([, variable = '']) => variable)
      .find((variable) => !known.has(variable));
    if (unknown === undefined) return [];
    const hint = known.size === 0 ? `add Port= to [${fleetSectionName}]` : `it has ${[...known].join(', ')}`;
    return [{ code: 'PORTS_INVALID', line, text: unknown, message: `the unit has no port for \${${unknown}}; ${hint}` }];
  });
}
