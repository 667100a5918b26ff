/**
 * What is made of an assignment and the text of its file, remembered: agents ask again in every pass.
 * Promises: the answer is that of `make`, which has to be pure; nothing is kept longer than its assignment.
 */
import type { Assignment } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';

/** Of a unit, its assignment (which never changes) and the text of the assigned file. */
export type OfAssignment<T> = (name: UnitName, assignment: Assignment, text: string) => T;

/** The same function, that makes nothing anew of what it was asked last of an assignment. */
export function remembered<T>(make: OfAssignment<T>): OfAssignment<T> {
  const known = new WeakMap<Assignment, { readonly name: UnitName; readonly from: string; readonly made: T }>();
  return (name, assignment, text) => {
    const last = known.get(assignment);
    if (last?.name === name && last.from === text) return last.made;
    const made = make(name, assignment, text);
    known.set(assignment, { name, from: text, made });
    return made;
  };
}
