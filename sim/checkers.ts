/** Every promise that is watched in a simulated run. To watch another one: write a Checker and add it here. */
import { eventsTellAll } from './checkers/events.ts';
import { massLossHolds, unitsStay } from './checkers/engine.ts';
import {
  acknowledgedIsDurable,
  filesInUseStay,
  leaderOnly,
  mirrorsAreTrue,
  oneMachine,
  oneWriter,
  storeIsTrusted,
  wrongStoreIsLeftAlone,
} from './checkers/store.ts';
import {
  leavingStopsFirst,
  startsOncePerWish,
  startsWhatIsAssigned,
  statusIsObserved,
  troubleStopsNothing,
} from './checkers/units.ts';
import { oneshotsRunOnce, stopsFirst } from './checkers/wishes.ts';
import { nothingPilesUp } from './checkers/bounds.ts';
import { fencedRunOnce, fenceTokensGrow, portsAreUnique } from './checkers/placements.ts';
import type { Checker } from './witness.ts';

export const checkers: readonly Checker[] = [
  oneWriter,
  oneMachine,
  leaderOnly,
  filesInUseStay,
  mirrorsAreTrue,
  acknowledgedIsDurable,
  storeIsTrusted,
  wrongStoreIsLeftAlone,
  startsWhatIsAssigned,
  troubleStopsNothing,
  startsOncePerWish,
  oneshotsRunOnce,
  stopsFirst,
  statusIsObserved,
  leavingStopsFirst,
  unitsStay,
  massLossHolds,
  fencedRunOnce,
  fenceTokensGrow,
  portsAreUnique,
  nothingPilesUp,
  eventsTellAll,
];
