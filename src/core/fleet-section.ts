/** The [X-Fleet] section of a unit: where it may run. */
import type { Result } from './failure.ts';
import type { UnitFile } from './unit-file.ts';
import type { UnitName } from './unit-name.ts';

/** One requirement on machine metadata; a requirement holds when any of its alternatives does (compat.md section 5). */
export interface MetadataRequirement {
  readonly key: string;
  readonly alternatives: readonly { readonly operator: '=' | '!=' | '<' | '<=' | '>' | '>='; readonly value: string }[];
}

/** The options of [X-Fleet], legacy names folded in, specifiers of the unit's own name expanded. */
export interface FleetSection {
  readonly machineId: string | null;
  /** Machine by boot id: X-ConditionMachineBootID. */
  readonly machineBootId: string | null;
  readonly machineOf: readonly UnitName[];
  readonly metadata: readonly MetadataRequirement[];
  /** Glob patterns of unit names. */
  readonly conflicts: readonly string[];
  readonly replaces: readonly string[];
  readonly global: boolean;
}

export declare function parseFleetSection(name: UnitName, file: UnitFile): Result<FleetSection>;
