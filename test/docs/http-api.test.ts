/**
 * The examples of docs/http-api.md, run in their order against an API, and its tables compared with the API's routes.
 * UPDATE_GOLDEN=1 writes the answers into the document.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fakeMachine, fakeMachineId, putAssignment, putMachine, putStatus, startFakeFleetd } from '../../src/api/fake-fleetd.ts';
import type { FakeFleetd } from '../../src/api/fake-fleetd.ts';
import type { FileHash } from '../../src/core/unit.ts';
import type { UnitName } from '../../src/core/unit-name.ts';
import { createManualClock } from '../../src/lib/manual-clock.ts';

const path = join(import.meta.dirname, '../../docs/http-api.md');
const text = readFileSync(path, 'utf8');
const two = '99f4004d61afe901b47c4cb4e1f2e0cd';
const widest = 110;

/** An example: the request, and the answer that stands below it. */
interface Example {
  readonly request: string;
  readonly body: string;
  readonly kind: string;
  readonly answer: string;
}

const examplePattern = /```http\n(?<request>\S+ \S+)\n(?<body>[^`]*)```\n```(?<kind>json|text)\n(?<answer>[^`]*)```/g;
const examples = [...text.matchAll(examplePattern)].map((match) => match.groups as unknown as Example);

let fleetd: FakeFleetd;
before(async () => {
  const local = {
    status: async (name: UnitName) => ({ text: `● ${name} - App number 1\n     Active: active (running)\n`, exitStatus: 0 }),
    async *journal() {
      yield 'Nov 23 12:08:57 one app[7]: tick\nNov 23 12:08:58 one app[7]: tick\n';
    },
  };
  fleetd = await startFakeFleetd({ clock: createManualClock(), needs: { version: '2.0.0', storeKind: 'embedded', local: new Map([[fakeMachineId, local]]) } });
  const metadata = { region: 'eu' };
  await fleetd.write([
    putMachine(fakeMachine(fakeMachineId, { metadata })), putMachine(fakeMachine(two, { publicIp: '172.18.0.2', hostname: 'two', metadata })),
    { kind: 'put', key: 'leader', value: JSON.stringify({ machine: fakeMachineId, sinceMs: 0 }) },
  ]);
});
after(() => fleetd.close());

/** What engine and agents would do about the units that are launched by now. */
async function settle(): Promise<void> {
  const unit = fleetd.mirror.snapshot().units.get('app@1.service' as UnitName);
  if (unit?.desired !== 'launched' || fleetd.mirror.snapshot().statuses.size > 0) return;
  const hash: FileHash = unit.hash;
  await fleetd.write([
    putAssignment(fakeMachineId, 'app@1.service', { hash, why: 'the least loaded machine that fits (0 units before it)' }),
    putStatus(fakeMachineId, 'app@1.service', { hash, sinceMs: 1_700_000_000_000, ports: { http: 20_001 }, health: 'healthy' }), putStatus(two, 'app@2.service', { hash }),
  ]);
}

async function answerOf({ request, body }: Example): Promise<{ readonly kind: string; readonly answer: string }> {
  const [method = '', url = ''] = request.split(' ');
  const sent = body === '' ? {} : { payload: body, headers: { 'content-type': 'application/json' } };
  const { statusCode, body: answered, headers } = await fleetd.app.inject({ method: method as 'GET', url, ...sent });
  await settle();
  const isJson = answered !== '' && headers['content-type'] === 'application/json';
  const shown = isJson ? `${printJson(JSON.parse(answered))}\n` : answered;
  return { kind: isJson ? 'json' : 'text', answer: `${statusCode}\n${shown}` };
}

/** JSON for people: on one line what fits there. */
function printJson(value: unknown, indent = ''): string {
  const flat = printFlat(value);
  if (indent.length + flat.length <= widest || typeof value !== 'object' || value === null) return flat;
  const inner = `${indent}  `;
  const items = Array.isArray(value)
    ? value.map((item) => printJson(item, inner))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${printJson(item, inner)}`);
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  const lines: string[] = [];
  for (const item of items) {
    const last = lines.at(-1);
    const fits = last !== undefined && !last.includes('\n') && !item.includes('\n') && inner.length + last.length + item.length + 2 <= widest;
    if (fits) lines[lines.length - 1] = `${last}, ${item}`;
    else lines.push(item);
  }
  return `${open}\n${lines.map((line) => inner + line).join(',\n')}\n${indent}${close}`;
}

function printFlat(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(printFlat).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${printFlat(item)}`).join(', ')}}`;
}

test('the examples of docs/http-api.md are answered as it says', async () => {
  let updated = text;
  assert.ok(examples.length >= 15, 'the examples are found');
  for (const example of examples) {
    const { kind, answer } = await answerOf(example);
    const written = `\`\`\`http\n${example.request}\n${example.body}\`\`\`\n`;
    updated = updated.replace(`${written}\`\`\`${example.kind}\n${example.answer}\`\`\``, () => `${written}\`\`\`${kind}\n${answer}\`\`\``);
    if (process.env['UPDATE_GOLDEN'] !== '1') assert.deepEqual({ kind: example.kind, answer: example.answer }, { kind, answer }, example.request);
  }
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, updated);
});

test('the tables of docs/http-api.md have every route of the API, and no other', () => {
  const documented = [...text.matchAll(/^\| `([A-Z]+ \/\S*)` \|/gm)].map(([, route = '']) => route).sort();
  const routes = fleetd.routes
    .filter(({ url }) => !url.startsWith('/v1-alpha'))
    .map(({ method, url }) => `${method} ${url.replace(':name', 'NAME')}`).sort();
  assert.deepEqual(documented, routes);
});
