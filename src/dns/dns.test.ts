import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { decode, encode } from 'dns-packet';
import type { Packet, RecordType } from 'dns-packet';
import fc from 'fast-check';
import type { Service } from '../core/directory.ts';
import type { Machine, MachineId } from '../core/machine.ts';
import type { UnitName } from '../core/unit-name.ts';
import { createLog } from '../lib/log.ts';
import { seededRandom } from '../lib/random.ts';
import { answerQuestion } from './answer.ts';
import type { Zone } from './answer.ts';
import { reply } from './message.ts';
import type { Transport } from './message.ts';
import { openDnsServer } from './server.ts';
import type { DnsServer } from './server.ts';

const limitMs = 60_000;
const machines = new Map([['AAA', '10.0.0.1'], ['bbb', '10.0.0.2'], ['ccc', 'fd00::3'], ['ddd', '']].map(([id = '', publicIp]) =>
  [id as MachineId, { id, publicIp } as Machine]));

function service(name: string, portName: string, ...instances: readonly (readonly [machine: string, port: number])[]): Service {
  return { name, portName, instances: instances.map(([machine, port], index) => ({
    unit: `${name}@${index}.service` as UnitName, machine: machine as MachineId, address: machines.get(machine as MachineId)?.publicIp ?? '', port,
    health: 'none', sinceMs: 0,
  })) };
}

const many = service('many', 'http', ...Array.from({ length: 400 }, (_, index) => ['AAA', 10_000 + index] as const));
const zone: Zone = {
  domain: 'fleet.test', machines, random: seededRandom(1), services: [
    service('Apps.war', 'http', ['AAA', 20_001], ['AAA', 20_002], ['bbb', 20_003]), service('Apps.war', 'admin.v2', ['ccc', 9_001]),
    service('old', 'http', ['AAA', 80]), many,
  ],
};

/** An answer as lines: its code, the answers sorted, and what comes with them. */
function ask(name: string, type: RecordType): readonly string[] {
  const { rcode, isOurs, answers, authorities, additionals } = answerQuestion({ name, type }, zone);
  const said = answers.flatMap((record) => (record.type === 'SRV' ? [`SRV ${record.data.port} ${record.data.target}`]
    : record.type === 'A' || record.type === 'AAAA' ? [`${record.type} ${record.data}`] : [record.type])).sort();
  const more = additionals.flatMap((record) => (record.type === 'A' || record.type === 'AAAA' ? [`+ ${record.name} ${record.data}`] : [])).sort();
  return [`${['ok', '', '', 'no such name', '', 'refused'][rcode] ?? ''}${isOurs ? '' : ', not ours'}`, ...said, ...more, ...authorities.map(() => 'SOA')];
}

test('names of services, ports and machines are answered as they are documented', () => {
  const table: readonly (readonly [name: string, type: RecordType, ...lines: string[]])[] = [
    ['apps.war.fleet.test', 'A', 'ok', 'A 10.0.0.1', 'A 10.0.0.2'],
    ['APPS.war.Fleet.Test.', 'AAAA', 'ok', 'AAAA fd00::3'],
    ['old.fleet.test', 'AAAA', 'ok', 'SOA'],
    ['_http._tcp.apps.war.fleet.test', 'SRV', 'ok', 'SRV 20001 aaa.machine.fleet.test', 'SRV 20002 aaa.machine.fleet.test', 'SRV 20003 bbb.machine.fleet.test',
      '+ aaa.machine.fleet.test 10.0.0.1', '+ bbb.machine.fleet.test 10.0.0.2'],
    ['_admin.v2._udp.apps.war.fleet.test', 'SRV', 'ok', 'SRV 9001 ccc.machine.fleet.test', '+ ccc.machine.fleet.test fd00::3'],
    ['_http._tcp.old.fleet.test', 'A', 'ok', 'SOA'],
    ['old.fleet.test', 'SRV', 'ok', 'SRV 80 aaa.machine.fleet.test', '+ aaa.machine.fleet.test 10.0.0.1'],
    ['aaa.machine.fleet.test', 'A', 'ok', 'A 10.0.0.1'],
    ['ddd.machine.fleet.test', 'A', 'no such name', 'SOA'],
    ['_nope._tcp.old.fleet.test', 'SRV', 'no such name', 'SOA'],
    ['nobody.fleet.test', 'A', 'no such name', 'SOA'],
    ['old.fleet.test', 'TXT', 'ok', 'SOA'],
    ['fleet.test', 'SOA', 'ok', 'SOA'],
    ['fleet.test', 'A', 'ok', 'SOA'],
    ['example.com', 'A', 'refused, not ours'],
    ['notfleet.test', 'A', 'refused, not ours'],
  ];
  for (const [name, type, ...lines] of table) assert.deepEqual(ask(name, type), lines, `${name} ${type}`);
});

test('the order of answers changes from one to the next', () => {
  const orders = new Set(Array.from({ length: 30 }, () => JSON.stringify(answerQuestion({ name: 'apps.war.fleet.test', type: 'A' }, zone).answers)));
  assert.equal(orders.size, 2);
});

const query = (change: Packet & { readonly opcode?: string } = {}): Buffer =>
  encode({ type: 'query', id: 7, questions: [{ name: 'old.fleet.test', type: 'A', class: 'IN' }], ...change });
const rcodeOf = (message: Buffer, of: Zone | null = zone): unknown => {
  const answer = reply(message, of, 'udp');
  return answer === null ? null : (decode(answer) as { readonly rcode?: string }).rcode;
};

describe('a message', () => {
  test('is answered with the code of RFC 1035 that fits', () => {
    assert.equal(rcodeOf(query()), 'NOERROR');
    assert.equal(rcodeOf(query(), null), 'SERVFAIL', 'nothing is known of the cluster yet');
    assert.equal(rcodeOf(query({ flags: 5 << 11 })), 'NOTIMP');
    assert.equal(rcodeOf(query({ questions: [] })), 'FORMERR');
    assert.equal(rcodeOf(query({ questions: [{ name: 'a', type: 'A' }, { name: 'b', type: 'A' }] })), 'FORMERR');
    assert.equal(rcodeOf(query({ questions: [{ name: 'old.fleet.test', type: 'A', class: 'CH' }] })), 'REFUSED');
    assert.equal(rcodeOf(query().subarray(0, 20)), 'FORMERR');
    const dotted = query();
    dotted.write('.', dotted.indexOf('old') + 2);
    assert.equal(rcodeOf(dotted), 'FORMERR', 'a label with a dot in it');
    const bytes = query();
    bytes.writeUInt8(0xff, bytes.indexOf('old'));
    assert.equal(rcodeOf(bytes), 'FORMERR', 'a label that is no text');
  });

  test('that is an answer, or shorter than a header, is not answered', () => {
    assert.equal(reply(query({ type: 'response' }), zone, 'udp'), null);
    assert.equal(reply(Buffer.alloc(11), zone, 'tcp'), null);
  });

  test('that does not fit into a datagram is cut and says so; over TCP and with EDNS more fits', () => {
    const name = { questions: [{ name: '_http._tcp.many.fleet.test', type: 'SRV' as const, class: 'IN' as const }] };
    const sizes = (transport: Transport, udpPayloadSize?: number): unknown => {
      const additionals: NonNullable<Packet['additionals']> = udpPayloadSize === undefined ? []
        : [{ type: 'OPT', name: '.', udpPayloadSize, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] }];
      const bytes = reply(query({ ...name, additionals }), zone, transport) ?? Buffer.alloc(0);
      const { answers = [], flags = 0 } = decode(bytes);
      return { isCut: (flags & 0x200) !== 0, answers: answers.length, fits: bytes.length <= (transport === 'tcp' ? 65_535 : udpPayloadSize ?? 512) };
    };
    assert.deepEqual(sizes('udp'), { isCut: true, answers: 0, fits: true });
    assert.deepEqual(sizes('udp', 4_096), { isCut: true, answers: 0, fits: true });
    assert.deepEqual(sizes('tcp'), { isCut: false, answers: 250, fits: true });
  });

  test('of any bytes never makes the server throw, and its answer can be read', () => {
    const torn = fc.tuple(fc.nat(60), fc.uint8Array({ maxLength: 8 })).map(([at, bytes]) => {
      const message = query();
      Buffer.from(bytes).copy(message, at % message.length);
      return message;
    });
    fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)), torn), (message) => {
      const answer = reply(message, zone, 'udp');
      if (answer !== null) assert.equal(decode(answer).id, message.readUInt16BE(0));
    }), { numRuns: 5_000 });
  });
});

describe('the server', () => {
  let server: DnsServer;
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  before(async () => {
    server = await openDnsServer({ host: '127.0.0.1', port: 0 }, { zone: () => zone, log: createLog('dns', 'error', () => undefined) });
    resolver.setServers([server.address]);
  });
  after(() => server.close());
  const port = (): number => Number(server.address.split(':')[1]);

  test('is understood by a resolver: addresses, services, and what is cut over TCP', async () => {
    assert.deepEqual((await resolver.resolve4('apps.war.fleet.test')).sort(), ['10.0.0.1', '10.0.0.2']);
    assert.deepEqual(await resolver.resolve6('apps.war.fleet.test'), ['fd00::3']);
    const [record, ...others] = await resolver.resolveSrv('_http._tcp.old.fleet.test');
    assert.deepEqual([record?.name, record?.port, others.length], ['aaa.machine.fleet.test', 80, 0]);
    assert.equal((await resolver.resolveSrv('_http._tcp.many.fleet.test')).length, 250);
    await assert.rejects(resolver.resolve4('nobody.fleet.test'), { code: 'ENOTFOUND' });
  });

  test('answers several messages of one connection, however they are torn, and ends one that sends no questions', async () => {
    const framed = (message: Buffer): Buffer => Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]);
    const socket = connect(port(), '127.0.0.1');
    let got = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => { got = Buffer.concat([got, chunk]); });
    const bytes = Buffer.concat([framed(query({ id: 1 })), framed(query({ id: 2 }))]);
    for (const byte of bytes) socket.write(Buffer.from([byte]));
    const late = AbortSignal.timeout(limitMs);
    const size = 2 * framed(reply(query(), zone, 'tcp') ?? Buffer.alloc(0)).length;
    while (got.length < size && !late.aborted) await once(socket, 'data', { signal: late });
    assert.deepEqual([decode(got.subarray(2)).id, decode(got.subarray(2 + size / 2)).id], [1, 2]);
    socket.write(framed(query({ type: 'response' })));
    await once(socket, 'close', { signal: late });
  });

  test('goes on after datagrams that are no questions', async () => {
    const socket = createSocket('udp4');
    for (const junk of ['', 'x', 'x'.repeat(500)]) socket.send(junk, port(), '127.0.0.1');
    socket.send(query({ id: 9 }), port(), '127.0.0.1');
    const late = AbortSignal.timeout(limitMs);
    for (let id: number | undefined; id !== 9;) {
      const [message] = await once(socket, 'message', { signal: late }) as [Buffer];
      id = decode(message).id;
    }
    socket.close();
  });

  test('says why it cannot listen, and leaves nothing open', async () => {
    const needs = { zone: () => zone, log: createLog('dns', 'error', () => undefined) };
    await assert.rejects(openDnsServer({ host: '127.0.0.1', port: port() }, needs), { code: 'EADDRINUSE' });
    const again = await openDnsServer({ host: '127.0.0.1', port: 0 }, needs);
    await again.close();
  });
});
