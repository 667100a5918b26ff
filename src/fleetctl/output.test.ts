/** Printing without streams: nothing is lost or out of order, whatever takes the output. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { after, test } from 'node:test';
import { createOutput } from './output.ts';

const folder = mkdtempSync(join(tmpdir(), 'fleet-output-'));
after(() => rmSync(folder, { recursive: true }));

/** A stream that keeps what it is given. */
function keeper(): { readonly stream: NodeJS.WriteStream; readonly text: () => string } {
  let kept = '';
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      kept += chunk.toString();
      done();
    },
  });
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => kept };
}

const unexpected = (error: Error): never => assert.fail(error);

test('what is short is written at once, without the stream', () => {
  const path = join(folder, 'short');
  const descriptor = openSync(path, 'w');
  const output = createOutput(descriptor, () => assert.fail('the stream is opened'), unexpected);
  output.write('Unit app.service launched\n');
  output.write('über\n');
  assert.equal(readFileSync(path, 'utf8'), 'Unit app.service launched\nüber\n');
  assert.ok(output.isWritten());
  closeSync(descriptor);
});

test('from the first text that goes beyond the limit on, all goes through the stream', () => {
  const path = join(folder, 'long');
  const descriptor = openSync(path, 'w');
  const { stream, text } = keeper();
  const output = createOutput(descriptor, () => stream, unexpected);
  const long = 'x'.repeat(5_000);
  for (const part of ['first\n', long, 'last\n']) output.write(part);
  assert.equal(readFileSync(path, 'utf8'), 'first\n');
  assert.equal(text(), `${long}last\n`);
  assert.ok(!output.isWritten());
  closeSync(descriptor);
});

test('what the other side does not take at once goes through the stream', () => {
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const filling = Buffer.alloc(65_536 - 3, '.');
  assert.equal(writeSync(descriptor, filling), filling.length);
  // A pipe takes up to 4096 bytes whole or not at all.
  const { stream, text } = keeper();
  const output = createOutput(descriptor, () => stream, unexpected);
  output.write('four');
  output.write('more');
  assert.equal(text(), 'fourmore');
  assert.ok(!output.isWritten());
  assert.equal(readSync(descriptor, Buffer.alloc(70_000)), filling.length);
  closeSync(descriptor);
});

test('an output that nobody reads is told', () => {
  const descriptor = openSync('/dev/full', 'w');
  const codes: (string | undefined)[] = [];
  createOutput(descriptor, () => assert.fail('the stream is opened'), ({ code }) => codes.push(code)).write('text\n');
  assert.deepEqual(codes, ['ENOSPC']);
  closeSync(descriptor);
});
