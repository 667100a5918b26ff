/**
 * Loads the parts a program is built into: functions of CommonJS's shape that ask for one another by file name.
 * Promises: a part is read and run once, when somebody first asks for it; of modules, a part gets Node's own and nothing from the disk.
 */
import { dirname } from 'node:path';
import { Script } from 'node:vm';

/** Where parts are. Both throw when there is no such part. */
export interface Parts {
  /** The text of a part: one function expression, ASCII. */
  readonly text: (name: string) => Buffer;
  /** V8's code for that text; absent: it is compiled. What V8 does not accept it passes over. */
  readonly code: (name: string) => Buffer | undefined;
  /** Told of each part that was loaded. */
  readonly onLoaded?: (name: string, script: Script) => void;
}

interface Module {
  exports: object;
}

/** The parameters of a part's function. */
export const partParameters = 'exports,require,module,__filename,__dirname';

type Part = (...given: readonly unknown[]) => void;

/** A function that answers what the part of a name exports. */
export function createPartLoader({ text, code, onLoaded }: Parts): (name: string) => unknown {
  const loaded = new Map<string, Module>();

  const require = (id: string): unknown => {
    if (id.startsWith('./')) return load(id.slice('./'.length));
    const own = process.getBuiltinModule(id);
    if (own === undefined) throw new Error(`Cannot find module '${id}': it is not part of the executable`);
    return own;
  };

  const load = (name: string): object => {
    const before = loaded.get(name);
    if (before !== undefined) return before.exports;
    const module: Module = { exports: {} };
    loaded.set(name, module);
    const cachedData = code(name);
    const script = new Script(text(name).toString('latin1'), { filename: name, ...(cachedData === undefined ? {} : { cachedData }) });
    onLoaded?.(name, script);
    // A part has no file; it is where the executable is, as Node has it for the program of an executable.
    (script.runInThisContext() as Part)(module.exports, require, module, process.execPath, dirname(process.execPath));
    return module.exports;
  };

  return load;
}
