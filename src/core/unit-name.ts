/** Unit names: `prefix[@instance].type`, as systemd.unit(5) has them. */
import type { Result } from './failure.ts';

declare const unitNameBrand: unique symbol;
/** A complete, valid unit name: "app@1.service", "app@.service", "web.socket". */
export type UnitName = string & { readonly [unitNameBrand]: 'UnitName' };

/** The parts of a unit name. `instance` is null for plain units and '' for templates. */
export interface UnitNameParts {
  readonly name: UnitName;
  readonly prefix: string;
  readonly instance: string | null;
  readonly type: UnitType;
}

/** Unit types fleet takes, the original's plus what systemd can link from a file. */
export const unitTypes = ['service', 'socket', 'timer', 'path', 'target', 'mount', 'automount', 'swap', 'slice', 'device', 'scope'] as const;
export type UnitType = (typeof unitTypes)[number];

export declare function parseUnitName(text: string): Result<UnitNameParts>;
