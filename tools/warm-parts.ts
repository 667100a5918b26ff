/**
 * Keeps V8's code of parts while they run: `warm-parts FOLDER PROGRAM ARGUMENT...`, `warm-parts FOLDER` for all parts that never ran.
 * Code that has run once is kept whole, so that the executable compiles none of it; of the rest V8 keeps where its functions begin and end.
 * Promises: code kept before is loaded and kept on; it fails when V8 does not accept it.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { createPartLoader } from './load-parts.ts';

const [folder = '', program] = process.argv.splice(2, 2);
const text = (name: string): Buffer => readFileSync(join(folder, name));
const pathOfCode = (name: string): string => join(folder, `${name}.code`);
const keep = (name: string, script: Script): void => writeFileSync(pathOfCode(name), script.createCachedData());

if (program === undefined) {
  for (const name of readdirSync(folder)) {
    if (name.endsWith('.js') && !existsSync(pathOfCode(name))) keep(name, new Script(text(name).toString('latin1'), { filename: name }));
  }
} else {
  const scripts = new Map<string, Script>();
  const load = createPartLoader({
    text,
    code: (name) => (existsSync(pathOfCode(name)) ? readFileSync(pathOfCode(name)) : undefined),
    onLoaded: (name, script) => {
      if (script.cachedDataRejected === true) throw new Error(`V8 does not accept the code it has made of ${name}`);
      scripts.set(name, script);
    },
  });
  process.on('exit', () => scripts.forEach((script, name) => keep(name, script)));
  load(`${program}.js`);
}
