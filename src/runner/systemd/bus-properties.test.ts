import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import codec from '@httptoolkit/dbus-native/lib/message.js';
import fc from 'fast-check';
import { createFrameReader, decodeBody, frameTypes } from './bus-frames.ts';
import type { BusFrame } from './bus-frames.ts';
import { readChanged } from './bus-properties.ts';
import { variantValue } from './systemd-manager.ts';

type Property = readonly [name: string, variant: readonly [signature: string, value: unknown]];

function changed(properties: readonly Property[]): BusFrame {
  const [frame] = createFrameReader().push(codec.marshall({
    type: frameTypes.signal, serial: 1, path: '/u', interface: 'org.freedesktop.DBus.Properties', member: 'PropertiesChanged',
    signature: 'sa{sv}as', body: ['org.freedesktop.systemd1.Service', properties, ['Invalidated']],
  }));
  assert.ok(frame);
  return frame;
}

/** What systemd sends of a service, by type. */
const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  s: fc.string({ unit: 'grapheme', maxLength: 20 }), o: fc.constant('/org/freedesktop/systemd1/job/7'), b: fc.boolean(),
  u: fc.integer({ min: 0, max: 0xffff_ffff }), i: fc.integer(), t: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  as: fc.array(fc.string({ maxLength: 9 }), { maxLength: 4 }), ay: fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 9 }),
  '(uo)': fc.tuple(fc.integer({ min: 0, max: 9 }), fc.constant('/')),
  'a(sasbttttuii)': fc.array(fc.tuple(
    fc.string(), fc.array(fc.string(), { maxLength: 3 }), fc.boolean(), fc.nat(), fc.nat(), fc.nat(), fc.nat(), fc.nat(), fc.integer(), fc.integer(),
  ), { maxLength: 3 }),
  'a(ss)': fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 3 }), '(bas)': fc.tuple(fc.boolean(), fc.array(fc.string(), { maxLength: 3 })),
  aas: fc.array(fc.array(fc.string(), { maxLength: 2 }), { maxLength: 2 }), v: fc.constant(['t', 7]),
};
const property: fc.Arbitrary<Property> = fc.constantFrom(...Object.keys(values)).chain((signature) =>
  fc.tuple(fc.string({ minLength: 1, maxLength: 12 }), (values[signature] ?? fc.constant(0)).map((value) => [signature, value] as const)));

test('what is read is what a whole decoding gives, whatever stands around it', () => {
  fc.assert(fc.property(fc.uniqueArray(property, { maxLength: 12, selector: ([name]) => name }), fc.integer({ min: 0, max: 11 }), (properties, every) => {
    const frame = changed(properties);
    const wanted = new Set(properties.filter((_, index) => index % (every + 1) === 0).map(([name]) => name));
    const [, decoded] = decodeBody(frame) as readonly [string, readonly (readonly [string, unknown])[]];
    const plain = new Set(properties.filter(([, [signature]]) => 'sobuit'.includes(signature)).map(([name]) => name));
    const expected = decoded.filter(([name]) => wanted.has(name) && plain.has(name)).map(([name, variant]) => [name, variantValue(variant)]);
    assert.deepEqual([...readChanged(frame, wanted)], expected);
  }), { numRuns: 300 });
});

test('bytes that do not fit their types throw', () => {
  const frame = changed([['ActiveState', ['s', 'active']]]);
  assert.throws(() => readChanged({ ...frame, body: frame.body.subarray(0, 60) }, new Set(['ActiveState'])));
  assert.throws(() => readChanged({ ...frame, signature: 's' }, new Set()), /not the type of a PropertiesChanged signal/);
});
