/**
 * Where the worker's program comes from: the file beside this one when run from source, an asset inside the single executable.
 * The executable is one bundled script without files beside it; there tools/build.ts bundles database-worker.ts by itself
 * (CommonJS, all but Node's own modules included) and adds the text as the asset named here.
 */
import { getAsset, isSea } from 'node:sea';

const workerAsset = 'embedded-worker.js';

/** First argument of `new Worker`, and whether that is the program itself. */
export function workerSource(): { readonly program: string | URL; readonly eval: boolean } {
  if (isSea()) return { program: getAsset(workerAsset, 'utf8'), eval: true };
  return { program: new URL('./database-worker.ts', import.meta.url), eval: false };
}
