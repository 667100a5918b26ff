/**
 * What the values of the store look like: JSON, one encoder and one decoder for each kind.
 * Promises: decoders never throw; unknown fields of newer versions are ignored, missing ones get their default, so that
 * one version up or down can share a store.
 */
import type { Leader } from '../core/cluster.ts';
import type { Result } from '../core/failure.ts';
import type { MachineOverride, MachineRecord } from '../core/machine.ts';
import type { Assignment, UnitRecord, UnitStatus } from '../core/unit.ts';

export declare function encodeRecord(record: UnitRecord | Assignment | UnitStatus | MachineRecord | MachineOverride | Leader): string;
export declare function decodeUnitRecord(text: string): Result<UnitRecord>;
export declare function decodeAssignment(text: string): Result<Assignment>;
export declare function decodeUnitStatus(text: string): Result<UnitStatus>;
export declare function decodeMachineRecord(text: string): Result<MachineRecord>;
export declare function decodeMachineOverride(text: string): Result<MachineOverride>;
export declare function decodeLeader(text: string): Result<Leader>;
