import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseTemplate, renderTemplate } from '../../src/core/template.ts';
import { parseUnitFile } from '../../src/core/unit-file.ts';
import { parseUnitName } from '../../src/core/unit-name.ts';
import { verifyUnitFile } from '../../src/core/verify.ts';

const text = readFileSync(join(import.meta.dirname, '../../docs/services.md'), 'utf8');

test('the unit of docs/services.md has neither errors nor warnings', () => {
  const [, name = '', content = ''] = /^```ini\n# (\S+)\n(.*?)^```$/ms.exec(text) ?? [];
  const unit = parseUnitName(name);
  const file = parseUnitFile(content);
  assert.ok(unit.ok && file.ok, name);
  assert.deepEqual(verifyUnitFile(unit.value.name, file.value), { errors: [], warnings: [] });
});

test('the template of docs/services.md renders to what nginx reads', () => {
  const [, content = ''] = /^```\n# \/etc\/nginx\/upstreams\.tmpl\n(.*?)^```$/ms.exec(text) ?? [];
  const template = parseTemplate(content);
  assert.ok(template.ok, template.ok ? '' : template.failure.message);
  const instances = [{ unit: 'apps@1.service', machine: 'm', address: '10.58.9.83', port: 20_001, health: 'healthy' }];
  assert.equal(renderTemplate(template.value, [{ name: 'apps', portName: 'http', instances }]),
    'upstream apps {\n    server 10.58.9.83:20001;  # apps@1.service\n}\n');
  assert.equal(renderTemplate(template.value, []), 'upstream apps {\n    server 127.0.0.1:9 down;\n}\n');
});

test('every tag of docs/services.md is one that templates have', () => {
  const table = /^\| tag \| \|\n(.*?)\n\n/ms.exec(text)?.[1] ?? '';
  const tags = [...table.matchAll(/\{\{([^}]*)\}\}/g)].map(([, tag = '']) => tag).filter((tag) => !/^(range|end|else)\b/.test(tag));
  assert.ok(tags.length >= 10);
  for (const tag of tags) {
    const template = parseTemplate(`{{range service NAME}}{{${tag}}}{{end}}`);
    assert.ok(template.ok, template.ok ? '' : template.failure.message);
  }
});
