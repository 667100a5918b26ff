import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { forwardToSocket } from './forward-socket.ts';

const noSignal = new AbortController().signal;

test('everything is passed on both ways, and the end of the input is not the end of the answer', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'forward-'));
  const path = join(folder, 'socket');
  const server = createServer({ allowHalfOpen: true }, (socket) => void text(socket).then((all) => socket.end(`${all.length} bytes`)));
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  stdin.end('x'.repeat(300_000));
  await forwardToSocket(path, { stdin, stdout }, noSignal);
  assert.equal(String(stdout.read()), '300000 bytes');
  server.close();
  await rm(folder, { recursive: true });
});

test('the other side may end first, while the input is still open', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'forward-'));
  const path = join(folder, 'socket');
  const server = createServer((socket) => socket.end('bye'));
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  await forwardToSocket(path, { stdin, stdout }, noSignal);
  assert.equal(String(stdout.read()), 'bye');
  server.close();
  await rm(folder, { recursive: true });
});

test('a socket that is not there is an error that says so', async () => {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough() };
  await assert.rejects(forwardToSocket('/nowhere/fleet.sock', streams, noSignal), { code: 'ENOENT' });
});
