/**
 * A lab for tests that need machines of their own; they run beside everything else, before those that share a cluster.
 * Promises: it is taken down when the file that opened it has ended.
 */
import { after } from 'node:test';
import { labCache, openLab, type Lab } from '../lab/lab.ts';

/** Opens one. `name` is the file's alone, at most 7 characters. */
export async function openLabAlone(name: string): Promise<Lab> {
  const lab = await openLab({ name, gateway: '10.58.0.1', cacheDirectory: labCache(process.env) });
  after(() => lab.close());
  return lab;
}
