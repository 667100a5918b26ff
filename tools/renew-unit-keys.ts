/**
 * Writes src/core/data/unit-keys.json: every section and key that systemd itself says it reads.
 *   node tools/node24.mjs tools/renew-unit-keys.ts [COMMAND [ARGUMENT...]]
 * COMMAND is the systemd binary, /lib/systemd/systemd when none is given, or a command that ends in one
 * (`chroot ROOT /lib/systemd/systemd`). Run it when a newer systemd has keys that `fleetctl verify` does not know.
 * Promises: the file changes only when the whole answer was understood, and by temp file and rename.
 */
import { execFileSync } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const dataFile = fileURLToPath(new URL('../src/core/data/unit-keys.json', import.meta.url));
const answerBytesMax = 4 * 1024 * 1024;
const answerTimeoutMs = 30_000;

/** What systemd prints for `flag`. Throws when the command cannot be run. */
function ask(command: readonly string[], flag: string): string {
  const [program = '', ...rest] = command;
  return execFileSync(program, [...rest, flag], {
    encoding: 'utf8', maxBuffer: answerBytesMax, timeout: answerTimeoutMs, stdio: ['ignore', 'pipe', 'ignore'],
  });
}

/**
 * `--dump-configuration-items` prints unit files whose values are placeholders: `[Unit]`, then `Description=STRING` ...
 */
function readKeys(text: string): Map<string, Set<string>> {
  const sections = new Map<string, Set<string>>();
  let keys: Set<string> | undefined;
  for (const line of text.split('\n')) {
    const header = /^\[([A-Za-z]+)\]$/.exec(line)?.[1];
    const key = /^([A-Za-z0-9]+)=/.exec(line)?.[1];
    if (header !== undefined) {
      keys = sections.get(header) ?? new Set();
      sections.set(header, keys);
    } else if (key !== undefined && keys !== undefined) {
      keys.add(key);
    } else if (line !== '') {
      throw new Error(`not a line of --dump-configuration-items: ${JSON.stringify(line)}`);
    }
  }
  for (const needed of ['Unit', 'Service']) {
    if (!sections.has(needed)) throw new Error(`the answer has no [${needed}] section`);
  }
  return sections;
}

const given = process.argv.slice(2);
const command = given.length === 0 ? ['/lib/systemd/systemd'] : given;
const version = /^systemd (\d+)/.exec(ask(command, '--version'))?.[1];
if (version === undefined) throw new Error(`${command.join(' ')} --version does not answer like systemd`);
const sections = readKeys(ask(command, '--dump-configuration-items'));
const sorted = [...sections].map(([name, keys]) => [name, [...keys].sort()] as const);
const data = { systemd: version, sections: Object.fromEntries(sorted) };
writeFileSync(`${dataFile}.new`, `${JSON.stringify(data, null, 1)}\n`);
renameSync(`${dataFile}.new`, dataFile);
const count = [...sections.values()].reduce((sum, keys) => sum + keys.size, 0);
process.stdout.write(`${dataFile}: ${count} keys in ${sections.size} sections of systemd ${version}\n`);
