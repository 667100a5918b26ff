import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createSseReader } from './sse.ts';
import type { SseFrame } from './sse.ts';

function readAll(chunks: readonly Uint8Array[]): readonly SseFrame[] {
  const read = createSseReader();
  return chunks.flatMap((chunk) => [...read(chunk)]);
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('frames hold id, event and data; comments are only a sign of life', () => {
  const text = ': hello\n\nid: 7\nevent: unit\ndata: {"a":1}\n\n:\n\ndata: one\ndata: two\n\nevent: current\n\nid: 9\n';
  assert.deepEqual(readAll([bytes(text)]), [
    { id: '7', event: 'unit', data: '{"a":1}' },
    { id: '', event: '', data: 'one\ntwo' },
    { id: '', event: 'current', data: '' },
  ]);
});

test('however the bytes are cut, the same frames come out', () => {
  const data = fc.stringMatching(/^[ -~é機]{0,20}$/);
  const frame = fc.record({ id: fc.nat().map(String), event: fc.constantFrom('unit', 'status'), data });
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 6 }),
      fc.constantFrom('\n', '\r\n', '\r'),
      fc.array(fc.nat(400)),
      (frames, lineEnd, cuts) => {
        const whole = bytes(
          frames
            .map(({ id, event, data: text }) => [`id: ${id}`, `event: ${event}`, `data: ${text}`, '', ''].join(lineEnd))
            .join(''),
        );
        const places = [
          0,
          ...cuts.filter((cut) => cut < whole.length).sort((left, right) => left - right),
          whole.length,
        ];
        const chunks = places.slice(1).map((end, index) => whole.subarray(places[index] ?? 0, end));
        // A carriage return at the very end may be half of a line break: one more byte settles it.
        assert.deepEqual(
          readAll([...chunks, bytes(':')]),
          frames.map((each) => ({ ...each })),
        );
      },
    ),
  );
});

test('a frame without an end is refused before it fills the memory', () => {
  const read = createSseReader();
  assert.throws(() => {
    for (let piece = 0; piece < 100; piece += 1) read(bytes('x'.repeat(65_536)));
  }, /an event is larger than/);
});
