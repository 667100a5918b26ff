import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import codec from '@httptoolkit/dbus-native/lib/message.js';
import fc from 'fast-check';
import { createFrameReader, decodeBody, firstString, frameTypes } from './bus-frames.ts';
import type { BusFrame } from './bus-frames.ts';

const signalBytes = codec.marshall({
  type: frameTypes.signal, serial: 7, path: '/org/freedesktop/systemd1/unit/a_2eservice', interface: 'org.freedesktop.DBus.Properties',
  member: 'PropertiesChanged', signature: 'sa{sv}as',
  body: ['org.freedesktop.systemd1.Unit', [['ActiveState', ['s', 'active']], ['ActiveEnterTimestamp', ['t', 1_795_430_172_335_149]]], []],
});
const replyBytes = codec.marshall({ type: frameTypes.reply, serial: 8, replySerial: 3 });
const errorBytes = codec.marshall({
  type: frameTypes.error, serial: 9, replySerial: 4, errorName: 'org.freedesktop.systemd1.NoSuchUnit',
  signature: 's', body: ['Unit ü not loaded.'],
});

function readInChunks(bytes: Buffer, sizes: readonly number[]): readonly BusFrame[] {
  const reader = createFrameReader();
  const frames: BusFrame[] = [];
  let at = 0;
  for (const size of [...sizes, bytes.length]) {
    frames.push(...reader.push(bytes.subarray(at, at + size)));
    at += size;
  }
  return frames;
}

test('a frame has the header fields that were sent, and its body decodes to the values', () => {
  const [signal, reply, error] = readInChunks(Buffer.concat([signalBytes, replyBytes, errorBytes]), []);
  assert.ok(signal && reply && error);
  assert.deepEqual([signal.type, signal.path, signal.member], [4, '/org/freedesktop/systemd1/unit/a_2eservice', 'PropertiesChanged']);
  assert.equal(firstString(signal), 'org.freedesktop.systemd1.Unit');
  const [, changed] = decodeBody(signal) as [string, [string, [unknown, [unknown]]][]];
  assert.deepEqual(changed.map(([name, [, [value]]]) => [name, value]),
    [['ActiveState', 'active'], ['ActiveEnterTimestamp', 1_795_430_172_335_149]]);
  assert.deepEqual([reply.type, reply.replySerial, decodeBody(reply)], [2, 3, []]);
  assert.deepEqual([error.replySerial, error.errorName, firstString(error)],
    [4, 'org.freedesktop.systemd1.NoSuchUnit', 'Unit ü not loaded.']);
});

test('frames are the same however the bytes are cut', () => {
  const bytes = Buffer.concat([signalBytes, replyBytes, errorBytes, signalBytes]);
  const whole = readInChunks(bytes, []);
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 20 }), (sizes) => {
    assert.deepEqual(readInChunks(bytes, sizes), whole);
  }));
});

test('a peer that does not speak the protocol makes the reader throw', () => {
  assert.throws(() => createFrameReader().push(Buffer.from('HTTP/1.1 200 OK\r\n\r\n')), /not a little-endian D-Bus message/);
  const huge = Buffer.from(replyBytes);
  huge.writeUInt32LE(0x7fff_ffff, 4);
  assert.throws(() => createFrameReader().push(huge), /is more than fleet reads/);
});
