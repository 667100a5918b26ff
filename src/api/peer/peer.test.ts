import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpsRequest, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { emptySnapshot, type ClusterSnapshot } from '../../core/cluster.ts';
import type { Machine, MachineId } from '../../core/machine.ts';
import type { Assignment } from '../../core/unit.ts';
import type { UnitName } from '../../core/unit-name.ts';
import { createLog } from '../../lib/log.ts';
import { systemClock } from '../../lib/system-clock.ts';
import { PeerUnreachable, type JournalRequest, type LocalMachine } from '../needs.ts';
import { createPeerIdentity, type PeerIdentity } from './identity.ts';
import { createPeerClient } from './peer-client.ts';
import type { MirrorRest } from '../../store/resting-mirror.ts';
import { createPeerServer } from './peer-server.ts';

const serverId = 'a'.repeat(32) as MachineId;
const callerId = 'b'.repeat(32) as MachineId;
const web = 'web@1.service' as UnitName;
const within = (): AbortSignal => AbortSignal.timeout(60_000);
const journalOf = (changes: Partial<JournalRequest> = {}): JournalRequest => ({
  name: web,
  lines: 10,
  follow: false,
  output: 'short',
  ...changes,
});

function machineOf(id: MachineId, peer: Machine['peer']): Machine {
  return {
    id,
    publicIp: '',
    hostname: '',
    metadata: {},
    version: '',
    bootId: '',
    capacity: { cpus: 1, memoryBytes: 1 },
    peer,
    runner: 'supervisor',
    store: 'embedded',
    startedAtMs: 0,
    ttlMs: 0,
    left: false,
    trouble: '',
    doubt: null,
    cordon: null,
    drain: null,
  };
}

/** A machine with one unit, whose journal goes on until it is told to stop. */
function fakeLocal(): LocalMachine & { readonly ended: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    ended: promise,
    status: async (name) => ({ text: `status of ${name}`, exitStatus: 3 }),
    async *journal(request, signal) {
      try {
        yield `${request.lines} lines of ${request.name} as ${request.output}\n`;
        if (request.follow) {
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
        }
      } finally {
        resolve();
      }
    },
  };
}

for (const host of ['127.0.0.1', '::1']) {
  describe(`peers over ${host}`, () => {
    const serverIdentity = createPeerIdentity({ machineId: serverId, nowMs: 0 });
    const callerIdentity = createPeerIdentity({ machineId: callerId, nowMs: 0 });
    let server: Server;
    let stop: AbortController;
    let local: ReturnType<typeof fakeLocal>;
    let machines: Map<MachineId, Machine>;
    let lines: string[];
    /** What a mirror that rests does; null: it is always there. */
    let rest: MirrorRest | null;
    const target = (identity: PeerIdentity = serverIdentity): Machine =>
      machineOf(serverId, {
        address: host,
        port: (server.address() as AddressInfo).port,
        fingerprint: identity.fingerprint,
      });

    beforeEach(async () => {
      stop = new AbortController();
      local = fakeLocal();
      lines = [];
      rest = null;
      machines = new Map([
        [callerId, machineOf(callerId, { address: host, port: 1, fingerprint: callerIdentity.fingerprint })],
      ]);
      const assignment = {} as Assignment; // Only its being there counts.
      const snapshot = (): ClusterSnapshot => ({
        ...emptySnapshot,
        revision: 1,
        machines,
        assignments: new Map([[serverId, new Map([[web, assignment]])]]),
      });
      server = createPeerServer(
        {
          identity: serverIdentity,
          snapshot: () => (rest?.isResting() === true ? emptySnapshot : snapshot()),
          get rest() {
            return rest;
          },
          local: new Map([[serverId, local]]),
          clock: systemClock,
          log: createLog('peer', 'info', (line) => lines.push(line)),
        },
        stop.signal,
      );
      await once(server.listen(0, host), 'listening');
    });
    afterEach(async () => {
      stop.abort(new Error('the test is over'));
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });

    test('a machine of the store is told the status of a unit', async () => {
      const status = await createPeerClient(callerIdentity, systemClock).status(target(), web, within());
      assert.deepEqual(status, { text: `status of ${web}`, exitStatus: 3 });
    });

    test('a fleetd that rests learns who its caller is before it answers, and rests again', async () => {
      let holds = 0;
      rest = {
        isResting: () => holds === 0,
        async hold() {
          holds += 1;
          return () => {
            holds -= 1;
          };
        },
      };
      const caller = createPeerClient(callerIdentity, systemClock);
      assert.equal((await caller.status(target(), web, within())).exitStatus, 3);
      machines.clear();
      await assert.rejects(caller.status(target(), web, within()), PeerUnreachable);
      assert.equal(holds, 0);
    });

    test('a machine of the store is told the journal of a unit', async () => {
      let text = '';
      for await (const chunk of createPeerClient(callerIdentity, systemClock).journal(
        target(),
        journalOf({ lines: 7, output: 'cat' }),
        within(),
      ))
        text += chunk;
      assert.equal(text, `7 lines of ${web} as cat\n`);
    });

    test('a followed journal ends on both sides when the reader stops', async () => {
      const reader = new AbortController();
      const journal = createPeerClient(callerIdentity, systemClock)
        .journal(target(), journalOf({ follow: true }), reader.signal)
        [Symbol.asyncIterator]();
      assert.equal((await journal.next()).value, `10 lines of ${web} as short\n`);
      const next = journal.next();
      reader.abort(new Error('enough'));
      await assert.rejects(next, /enough/);
      await local.ended;
    });

    test('a followed journal ends when the server stops', async () => {
      const journal = createPeerClient(callerIdentity, systemClock)
        .journal(target(), journalOf({ follow: true }), within())
        [Symbol.asyncIterator]();
      await journal.next();
      stop.abort(new Error('stopping'));
      await assert.rejects(journal.next(), PeerUnreachable);
      await local.ended;
    });

    test('a stranger gets nothing, and is logged once a minute at most', async () => {
      const stranger = createPeerClient(createPeerIdentity({ machineId: 'stranger', nowMs: 0 }), systemClock);
      for (let round = 0; round < 3; round += 1) {
        await assert.rejects(stranger.status(target(), web, within()), PeerUnreachable);
      }
      assert.equal(lines.length, 1);
      assert.match(lines.join(), /refused a caller of the peer port/);
    });

    test('a caller without a certificate gets no byte of an answer', async () => {
      const request = httpsRequest({
        host,
        port: (server.address() as AddressInfo).port,
        path: `/peer/v1/${serverId}/status/${web}`,
        rejectUnauthorized: false,
      });
      request.end();
      await assert.rejects(once(request, 'response', { signal: within() }), /ECONNRESET|socket hang up/);
    });

    test('a machine that has left the store is refused', async () => {
      machines.clear();
      await assert.rejects(
        createPeerClient(callerIdentity, systemClock).status(target(), web, within()),
        /could not be asked/,
      );
    });

    test('a connection that was open when its machine left the store is cut at the next request', async () => {
      const { keyPem, certificatePem } = callerIdentity;
      const { Agent } = await import('node:https');
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const get = async (): Promise<number | undefined> => {
        const request = httpsRequest({
          host,
          port: (server.address() as AddressInfo).port,
          path: `/peer/v1/${serverId}/status/${web}`,
          agent,
          key: keyPem,
          cert: certificatePem,
          rejectUnauthorized: false,
        });
        request.end();
        const [response] = await once(request, 'response', { signal: within() });
        await once(response.resume(), 'end');
        return response.statusCode;
      };
      assert.equal(await get(), 200);
      machines.clear();
      await assert.rejects(get());
      agent.destroy();
    });

    test('a server whose certificate is not the one in the store is not asked', async () => {
      const swapped = createPeerIdentity({ machineId: serverId, nowMs: 0 });
      let requests = 0;
      server.on('request', () => (requests += 1));
      await assert.rejects(
        createPeerClient(callerIdentity, systemClock).status(target(swapped), web, within()),
        /has another key than the one that stands in the store/,
      );
      assert.equal(requests, 0);
    });

    test('units that are not on the machine, and other resources, are not told', async () => {
      const client = createPeerClient(callerIdentity, systemClock);
      await assert.rejects(
        client.status(target(), 'other.service' as UnitName, within()),
        /other\.service is not on this machine/,
      );
      await assert.rejects(client.status({ ...target(), id: callerId }, web, within()), /is not here/);
      await assert.rejects(client.status(target(), '../x' as UnitName, within()), /no such resource/);
    });

    test('a machine without a peer port, and one where nobody listens, say so', async () => {
      const client = createPeerClient(callerIdentity, systemClock);
      await assert.rejects(client.status(machineOf(serverId, null), web, within()), /it has no peer port/);
      const gone = target();
      await new Promise((resolve) => server.close(resolve));
      await assert.rejects(client.status(gone, web, within()), /could not be asked: .*ECONNREFUSED/);
    });
  });
}
