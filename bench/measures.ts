/** The measures of `npm run bench`, in the order they are taken. */
import { bareStart } from './bare-start.ts';
import { longLists } from './long-lists.ts';
import { lostMachine } from './lost-machine.ts';
import { manyUnits } from './many-units.ts';
import type { Measure } from './measure.ts';
import { oneUnit } from './one-unit.ts';
import { placing } from './placing.ts';
import { resting } from './resting.ts';
import { simulatedHours } from './simulated-hours.ts';
import { wholeControlPlane } from './whole-control-plane.ts';

export const measures: readonly Measure[] = [bareStart, resting, oneUnit, manyUnits, lostMachine, longLists, placing, simulatedHours, wholeControlPlane];
