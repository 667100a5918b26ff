/** What the runner reads out of a unit's texts. Promises: pure; a text that cannot be read has no facts, systemd will say why. */
import { allValues, lastValue, parseUnitFile } from '../../core/unit-file.ts';
import type { UnitFile } from '../../core/unit-file.ts';
import type { RenderedUnit } from '../runner.ts';

export interface UnitFacts {
  /** A service that is done when its commands have run. */
  readonly oneshot: boolean;
  /** [Install] asks for links. */
  readonly installs: boolean;
  /** Further names [Install] gives the unit. */
  readonly aliases: readonly string[];
}

const installOptions = ['WantedBy', 'RequiredBy', 'UpheldBy', 'Alias', 'Also'];

export function factsOf(unit: RenderedUnit): UnitFacts {
  // systemd reads drop-ins after the file, in the order of their names.
  const dropIns = Object.entries(unit.dropIns).sort(([one], [other]) => (one < other ? -1 : 1)).map(([, text]) => text);
  const files = [unit.text, ...dropIns].map(parseUnitFile);
  const file: UnitFile = { options: files.flatMap((parsed) => (parsed.ok ? parsed.value.options : [])) };
  return {
    oneshot: unit.name.endsWith('.service') && isOneshot(file),
    installs: installOptions.some((option) => allValues(file, 'Install', option).length > 0),
    aliases: allValues(file, 'Install', 'Alias').flatMap((value) => value.split(/\s+/)),
  };
}

/** systemd.service(5): Type= defaults to oneshot only when neither ExecStart= nor BusName= is given. */
function isOneshot(file: UnitFile): boolean {
  const type = lastValue(file, 'Service', 'Type');
  if (type !== null) return type === 'oneshot';
  return ['ExecStart', 'BusName'].every((option) => allValues(file, 'Service', option).length === 0);
}
