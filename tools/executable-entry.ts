/**
 * The entry of the single executable: one file with two names, told apart by the name it was called with.
 * Promises: of the executable only the parts that a command needs are read, and V8 gets their code as tools/warm-parts.ts kept it.
 */
import { getRawAsset } from 'node:sea';
import { basename } from 'node:path';
import { createPartLoader } from './load-parts.ts';

const asset = (key: string): Buffer => Buffer.from(getRawAsset(key));
const load = createPartLoader({ text: asset, code: (name) => asset(`${name}.code`) });
load(basename(process.argv0).startsWith('fleetctl') ? 'fleetctl.js' : 'fleetd.js');
