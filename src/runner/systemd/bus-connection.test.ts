import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import codec from '@httptoolkit/dbus-native/lib/message.js';
import { createLog } from '../../lib/log.ts';
import { createManualClock } from '../../lib/manual-clock.ts';
import type { ManualClock } from '../../lib/manual-clock.ts';
import { seededRandom } from '../../lib/random.ts';
import { RunnerUnavailable } from '../runner.ts';
import { BusError, connectBus } from './bus-connection.ts';
import type { BusCall, BusConnection } from './bus-connection.ts';
import { createFrameReader, frameTypes } from './bus-frames.ts';
import type { BusFrame } from './bus-frames.ts';
import { createBusLink } from './bus-link.ts';

/** A peer that does with connections and calls what the test says. */
interface Peer {
  readonly path: string;
  readonly calls: BusFrame[];
  /** Resolves once `count` calls have come in, over all connections. */
  received(count: number): Promise<void>;
  answer(call: BusFrame, value: string): void;
  refuse(call: BusFrame, errorName: string, message: string): void;
  /** Cuts every connection. */
  hangUp(): void;
}

interface PeerOptions {
  readonly authenticates?: boolean;
}

async function withPeer(options: PeerOptions, body: (peer: Peer, clock: ManualClock) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'fleet-bus-'));
  const calls: BusFrame[] = [];
  const sockets = new Map<BusFrame | null, Socket>();
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined).on('close', () => open.delete(socket));
    const reader = createFrameReader();
    let authenticated = false;
    socket.on('data', (bytes: Buffer) => {
      let rest = bytes;
      if (!authenticated) {
        if (options.authenticates === false) return;
        authenticated = true;
        socket.write('OK 00112233445566778899aabbccddeeff\r\n');
        rest = bytes.subarray(bytes.indexOf('BEGIN\r\n') + 'BEGIN\r\n'.length);
      }
      for (const call of rest.length === 0 ? [] : reader.push(rest)) {
        calls.push(call);
        sockets.set(call, socket);
        server.emit('call');
      }
    });
  });
  const path = join(directory, 'bus');
  server.listen(path);
  await once(server, 'listening');
  const peer: Peer = {
    path, calls,
    async received(count) {
      while (calls.length < count) await once(server, 'call');
    },
    answer: (call, value) => void sockets.get(call)?.write(
      codec.marshall({ type: frameTypes.reply, serial: 1, replySerial: call.serial, signature: 's', body: [value] })),
    refuse: (call, errorName, message) => void sockets.get(call)?.write(
      codec.marshall({ type: frameTypes.error, serial: 1, replySerial: call.serial, errorName, signature: 's', body: [message] })),
    hangUp: () => {
      for (const socket of open) socket.destroy();
    },
  };
  try {
    await body(peer, createManualClock());
  } finally {
    peer.hangUp();
    server.close();
    await rm(directory, { recursive: true });
  }
}

const signal = new AbortController().signal;
const call = (member: string): BusCall => ({ destination: 'org.example', path: '/', interface: 'org.example', member });

async function connected(peer: Peer, clock: ManualClock): Promise<BusConnection> {
  return connectBus({ path: peer.path, direct: true }, { clock, onSignal: () => undefined }, signal);
}

function first(peer: Peer): BusFrame {
  const [frame] = peer.calls;
  assert.ok(frame);
  return frame;
}

test('a call ends with the values of its answer, or with the error the peer gave', () => withPeer({}, async (peer, clock) => {
  const connection = await connected(peer, clock);
  const calls = [connection.call(call('One'), signal), connection.call(call('Two'), signal)];
  await peer.received(2);
  const [one, two] = peer.calls;
  assert.ok(one && two);
  peer.refuse(two, 'org.example.No', 'No such thing.');
  peer.answer(one, 'yes');
  assert.deepEqual(await calls[0], ['yes']);
  await assert.rejects(calls[1] ?? Promise.resolve(), new BusError('org.example.No', 'No such thing.'));
  connection.close();
}));

test('a peer that hears and never answers: the call ends with its deadline, and the connection with it', () =>
  withPeer({}, async (peer, clock) => {
    const connection = await connected(peer, clock);
    const waiting = connection.call(call('Wedged'), signal);
    const outcome = assert.rejects(waiting, new RunnerUnavailable('systemd: no answer to Wedged within 30000 ms'));
    await peer.received(1);
    await clock.advance(30_000);
    await outcome;
    assert.match((await connection.ended).message, /no answer to Wedged/);
    await assert.rejects(connection.call(call('Next'), signal), RunnerUnavailable);
    assert.equal(clock.sleepers(), 0);
  }));

test('when the peer goes, every call in flight and waiting ends at once', () => withPeer({}, async (peer, clock) => {
  const connection = await connected(peer, clock);
  const outcomes = Array.from({ length: 100 }, () => assert.rejects(connection.call(call('Lost'), signal), RunnerUnavailable));
  await peer.received(64);
  peer.hangUp();
  await Promise.all(outcomes);
  assert.equal(clock.sleepers(), 0);
}));

test('no more than 64 calls are in flight, the others wait for their turn', () => withPeer({}, async (peer, clock) => {
  const connection = await connected(peer, clock);
  const calls = Array.from({ length: 65 }, () => connection.call(call('Busy'), signal));
  await peer.received(64);
  assert.equal(peer.calls.length, 64);
  peer.answer(first(peer), 'done');
  await peer.received(65);
  for (const frame of peer.calls.slice(1)) peer.answer(frame, 'done');
  assert.equal((await Promise.all(calls)).length, 65);
  connection.close();
}));

test('an aborted call ends with the reason of its signal and leaves the others alone', () => withPeer({}, async (peer, clock) => {
  const connection = await connected(peer, clock);
  const ending = new AbortController();
  const reason = new Error('enough');
  const aborted = assert.rejects(connection.call(call('Aborted'), ending.signal), reason);
  const other = connection.call(call('Other'), signal);
  await peer.received(2);
  ending.abort(reason);
  await aborted;
  for (const frame of peer.calls) peer.answer(frame, frame.member);
  assert.deepEqual(await other, ['Other']);
  connection.close();
}));

test('a peer that never authenticates, or is not there, is unavailable within a bounded time', () =>
  withPeer({ authenticates: false }, async (peer, clock) => {
    const connecting = assert.rejects(connected(peer, clock), /no answer within 5000 ms/);
    await clock.runUntil(() => clock.sleepers() === 1, 1);
    await clock.advance(5_000);
    await connecting;
    const absent = connectBus({ path: `${peer.path}-absent`, direct: true }, { clock, onSignal: () => undefined }, signal);
    await assert.rejects(absent, (error: Error) => error instanceof RunnerUnavailable && error.message.includes('ENOENT'));
  }));

test('a link connects again when its connection is lost, and says that everything may have changed', () =>
  withPeer({}, async (peer, clock) => {
    let doubts = 0;
    const ending = new AbortController();
    const lines: string[] = [];
    const link = createBusLink([{ path: `${peer.path}-absent`, direct: true }, { path: peer.path, direct: true }], {
      clock, random: seededRandom(1), log: createLog('runner', 'info', (line) => lines.push(line)),
      onSignal: () => undefined,
      onDoubt: () => {
        doubts += 1;
      },
    });
    const running = link.run(ending.signal);
    // A call made before there is a connection waits for one.
    const early = link.call(call('Early'), signal);
    await peer.received(1);
    peer.answer(first(peer), 'hello');
    assert.deepEqual(await early, ['hello']);

    const lost = assert.rejects(link.call(call('Lost'), signal), RunnerUnavailable);
    await peer.received(2);
    peer.hangUp();
    await lost;
    await clock.runUntil(() => clock.sleepers() > 0, 1);
    await clock.advance(100);
    const again = link.call(call('Again'), signal);
    await peer.received(3);
    peer.answer(peer.calls[2] ?? first(peer), 'back');
    assert.deepEqual(await again, ['back']);
    assert.equal(doubts, 3, 'connected, lost, connected again');
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /the connection was closed; connecting again until it works/);
    ending.abort();
    await running;
  }));

test('a call made while there is no connection gives up after a bounded time, saying why there is none', async () => {
  const clock = createManualClock();
  const link = createBusLink([{ path: '/nonexistent/bus', direct: true }], {
    clock, random: seededRandom(1), log: createLog('runner', 'error', () => undefined), onSignal: () => undefined, onDoubt: () => undefined,
  });
  const ending = new AbortController();
  const running = link.run(ending.signal);
  const outcome = assert.rejects(link.call(call('Never'), signal), /systemd cannot be reached: \/nonexistent\/bus: .*ENOENT/);
  let ended = false;
  void outcome.then(() => {
    ended = true;
  });
  while (!ended) await clock.advance(100);
  await outcome;
  ending.abort();
  await running;
});

test('a peer that hangs is found out while nobody asks anything of it, and one that is at work on a call is not', () =>
  withPeer({}, async (peer, clock) => {
    let doubts = 0;
    const link = createBusLink([{ path: peer.path, direct: true }], {
      clock, random: seededRandom(1), log: createLog('runner', 'error', () => undefined), onSignal: () => undefined,
      onDoubt: () => {
        doubts += 1;
      },
    });
    const ending = new AbortController();
    const running = link.run(ending.signal);
    const long = link.call({ ...call('Reload'), waitMsMax: 60_000 }, signal);
    await peer.received(1);
    await clock.advance(30_000);
    assert.equal(peer.calls.length, 1, 'nothing was asked meanwhile');
    peer.answer(first(peer), 'done');
    assert.deepEqual(await long, ['done']);

    await clock.advance(5_000);
    await peer.received(2);
    peer.answer(peer.calls[1] ?? first(peer), 'here');
    // Answers come in order: when this one is there, the other one has been heard.
    const next = link.call(call('Next'), signal);
    await peer.received(3);
    peer.answer(peer.calls[2] ?? first(peer), 'done');
    await next;
    await clock.advance(5_000);
    await peer.received(4);
    assert.deepEqual(peer.calls.map(({ member }) => member), ['Reload', 'Ping', 'Next', 'Ping']);
    assert.equal(doubts, 1, 'connected all the time');
    await clock.advance(10_000);
    assert.equal(doubts, 2, 'the connection has ended');
    ending.abort();
    await running;
  }));
