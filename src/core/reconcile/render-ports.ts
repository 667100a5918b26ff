/**
 * What fleet adds to a unit that has ports: variables of its environment, and the ports themselves where systemd expands no
 * variables.
 * Promises: commands (Exec...=) are left to systemd, which expands them from the environment; every other ${FLEET_PORT_NAME} of
 * a port that the unit has is replaced; nothing else of the text is touched.
 */
import { withPorts } from '../health-check.ts';
import { portVariables } from '../ports.ts';
import { unitNameParts } from '../unit-name.ts';
import type { UnitName } from '../unit-name.ts';

/** Sorts before the drop-ins of others, so that the unit's own EnvironmentFile= and people's drop-ins win. */
const portsDropInName = '20-fleet-ports.conf';

/** The section that has Environment=, by type of unit (systemd.exec(5)). */
const environmentSections: Readonly<Record<string, string>> = { service: 'Service', socket: 'Socket', mount: 'Mount', swap: 'Swap' };

type Ports = Readonly<Record<string, number>>;

/** The drop-in with the variables, by file name; none for a unit without ports, or of a type that has no environment. */
export function portsDropIn(name: UnitName, ports: Ports): Readonly<Record<string, string>> {
  const section = environmentSections[unitNameParts(name).type];
  const variables = Object.entries(portVariables(ports));
  if (section === undefined || variables.length === 0) return {};
  const lines = variables.map(([variable, port]) => `Environment=${variable}=${port}`);
  return { [portsDropInName]: [`[${section}]`, ...lines, ''].join('\n') };
}

/** The text with ports in place of their variables, outside of commands. */
export function withPortsPut(text: string, ports: Ports): string {
  const variables = portVariables(ports);
  let inCommand = false;
  let continues = false;
  return text.split('\n').map((line) => {
    const isComment = /^\s*[#;]/.test(line);
    // Comments may stand between continued lines, and end nothing.
    if (!isComment && !continues) inCommand = /^\s*Exec\w*\s*=/.test(line);
    if (!isComment) continues = /\\\r?$/.test(line);
    return inCommand || isComment ? line : withPorts(line, (variable) => variables[variable] ?? null);
  }).join('\n');
}
