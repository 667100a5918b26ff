/**
 * Templates: scenarios as text (testdata/template). A scenario is a template; the answer is what it renders to with the services
 * below, in bars so that blanks are seen, or what is wrong with it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { goldenTests } from '../../test/golden.ts';
import { limits } from './limits.ts';
import { parseTemplate, renderTemplate } from './template.ts';
import type { ServiceFacts } from './template.ts';

const services: readonly ServiceFacts[] = [
  {
    name: 'apps', portName: 'http', instances: [
      { unit: 'apps@1.service', machine: 'aaa', address: '10.0.0.1', port: 20001, health: 'healthy' },
      { unit: 'apps@2.service', machine: 'bbb', address: 'fd00::2', port: 20002, health: 'none' },
    ],
  },
  { name: 'apps', portName: 'admin', instances: [{ unit: 'apps@1.service', machine: 'aaa', address: '10.0.0.1', port: 9001, health: 'none' }] },
  { name: 'shop.war', portName: 'http', instances: [{ unit: 'shop.service', machine: 'aaa', address: '10.0.0.1', port: 8080, health: 'none' }] },
];

function answer(question: readonly string[]): string {
  const template = parseTemplate(question.map((line) => `${line}\n`).join(''));
  if (!template.ok) return template.failure.message;
  return renderTemplate(template.value, services).replace(/\n$/, '').split('\n').map((line) => `|${line}|`).join('\n');
}

describe('a template renders', () => {
  goldenTests(new URL('testdata/template/', import.meta.url), answer);
});

test('text without tags is printed as it is, whatever it is', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => {
    const template = parseTemplate(text);
    if (text.includes('{{')) return;
    assert.ok(template.ok);
    assert.equal(renderTemplate(template.value, services), text);
  }));
});

test('no text makes reading or rendering a template throw, and what is wrong is one line', () => {
  const piece = fc.constantFrom('{{', '}}', 'range', ' ', 'services', 'service apps', 'else', 'end', 'port', '"', '\\', '\n', 'separator', 'instances', '#');
  fc.assert(fc.property(fc.array(piece).map((pieces) => pieces.join('')), (text) => {
    const template = parseTemplate(text);
    if (template.ok) renderTemplate(template.value, services);
    else assert.doesNotMatch(template.failure.message, /\n/);
  }), { numRuns: 2_000 });
});

test('a template has a limit', () => {
  const template = parseTemplate('x'.repeat(limits.templateBytesMax + 1));
  assert.deepEqual(template.ok ? '' : template.failure.message, 'larger than 1048576 bytes');
});
