/**
 * Real etcd servers for tests, on loopback ports and in temporary folders, and what can happen to them.
 * Promises: every wait is bounded; close() leaves no process and no file behind; an etcd that does not come up says
 * why.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const startMs = 20_000;
const lookEveryMs = 20;

export interface EtcdServerOptions {
  /** More flags, e.g. `['--quota-backend-bytes=16777216']`. */
  readonly flags?: readonly string[];
  /** Serve https:// with these certificates and ask clients for theirs. */
  readonly certificates?: Certificates;
}

/** One etcd process that can be harmed. */
export interface EtcdServer {
  readonly endpoint: string;
  /** SIGKILL, as a power cut. */
  kill(): Promise<void>;
  /** SIGTERM, as systemd stops it. */
  stop(): Promise<void>;
  /** SIGSTOP: connections stay open, nobody answers any more when this returns. */
  pause(): Promise<void>;
  resume(): void;
  /** Starts it again on the same port and data; returns when it is healthy, which takes a quorum. */
  restart(): Promise<void>;
  /** Kills it, throws its data away and starts it again, empty, on the same port. */
  wipe(): Promise<void>;
  /** Runs etcdctl against it; returns what it prints. */
  etcdctl(...words: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

/** A free port of the loopback address. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts one etcd on a free port with an empty database; it has a leader when this returns. */
export async function startEtcd(options: EtcdServerOptions = {}): Promise<EtcdServer> {
  const [server] = await startEtcdCluster(1, options);
  assert(server !== undefined);
  return server;
}

/** Starts a cluster of `count` members; all of them answer when this returns. Each is closed by itself. */
export async function startEtcdCluster(count: number, options: EtcdServerOptions = {}): Promise<readonly EtcdServer[]> {
  const members = [];
  for (let index = 0; index < count; index += 1) {
    members.push({ name: `m${index}`, client: await freePort(), peer: await freePort() });
  }
  const initial = members.map(({ name, peer }) => `${name}=http://127.0.0.1:${peer}`).join(',');
  const servers: EtcdServer[] = [];
  for (const member of members) {
    const folder = await mkdtemp(join(tmpdir(), 'fleet-etcd-'));
    servers.push(createServerProcess({ ...member, folder, initial, options, alone: count === 1 }));
  }
  try {
    await Promise.all(servers.map((server) => server.restart()));
  } catch (error) {
    await Promise.all(servers.map((server) => server.close()));
    throw error;
  }
  return servers;
}

interface Member {
  readonly name: string;
  readonly client: number;
  readonly peer: number;
  readonly folder: string;
  readonly initial: string;
  readonly alone: boolean;
  readonly options: EtcdServerOptions;
}

function createServerProcess(member: Member): EtcdServer {
  const { folder, options: { certificates } } = member;
  const endpoint = `${certificates === undefined ? 'http' : 'https'}://127.0.0.1:${member.client}`;
  let child: ChildProcess | null = null;

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child === null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    if (signal === 'SIGTERM') child.kill('SIGCONT');
    await gone;
    child = null;
  };
  const start = async (): Promise<void> => {
    assert(child === null, 'this etcd runs already');
    const started = spawn('etcd', flagsOf(member, endpoint), { stdio: ['ignore', 'ignore', 'pipe'] });
    child = started;
    let log = '';
    started.stderr.on('data', (bytes: Buffer) => {
      log = (log + bytes.toString()).slice(-4_000);
    });
    await Promise.race([
      untilServing(endpoint, certificates),
      once(started, 'exit').then(() => Promise.reject(new Error(`etcd ended at once:\n${log}`))),
      once(started, 'error').then(([error]) => Promise.reject(new Error(`etcd cannot be started: ${String(error)}`))),
    ]);
    started.removeAllListeners('exit');
  };
  return {
    endpoint,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    async pause(): Promise<void> {
      assert(child?.pid !== undefined, 'this etcd runs');
      child.kill('SIGSTOP');
      await untilStopped(child.pid);
    },
    resume: () => void child?.kill('SIGCONT'),
    restart: start,
    async wipe(): Promise<void> {
      await end('SIGKILL');
      await rm(join(folder, 'data'), { recursive: true, force: true });
      await start();
    },
    async etcdctl(...words): Promise<string> {
      const tls = certificates === undefined ? [] : tlsFlags(certificates);
      return runEtcdctl([`--endpoints=${endpoint}`, ...tls, ...words]);
    },
    async close(): Promise<void> {
      await end('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function flagsOf(member: Member, endpoint: string): readonly string[] {
  const { certificates, flags = [] } = member.options;
  const peer = `http://127.0.0.1:${member.peer}`;
  return [
    `--name=${member.name}`, `--data-dir=${join(member.folder, 'data')}`, '--log-level=error', '--logger=zap',
    `--listen-client-urls=${endpoint}`, `--advertise-client-urls=${endpoint}`,
    `--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`, `--initial-cluster=${member.initial}`,
    ...(certificates === undefined ? [] : [
      `--cert-file=${certificates.folder}/server.crt`, `--key-file=${certificates.folder}/server.key`,
      `--trusted-ca-file=${certificates.folder}/ca.crt`, '--client-cert-auth']),
    ...flags,
  ];
}

/** Until every thread of a process is stopped: the signal alone takes its time on a busy machine. */
async function untilStopped(pid: number): Promise<void> {
  const until = Date.now() + startMs;
  while (Date.now() < until) {
    const threads = await readdir(`/proc/${pid}/task`);
    const states = await Promise.all(threads.map(async (thread) => {
      const text = await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8');
      return text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3);
    }));
    if (states.every((state) => state === 'T')) return;
    await sleep(lookEveryMs);
  }
  throw new Error(`process ${pid} did not stop within ${startMs} ms`);
}

async function runEtcdctl(words: readonly string[]): Promise<string> {
  const { stdout } = await run('etcdctl', words, { env: { ...process.env, ETCDCTL_API: '3' }, timeout: startMs });
  return stdout;
}

/** Until etcd says it is healthy, which takes a leader. */
async function untilServing(endpoint: string, certificates?: Certificates): Promise<void> {
  const until = Date.now() + startMs;
  while (Date.now() < until) {
    const tls = certificates === undefined ? [] : tlsFlags(certificates);
    const words = [`--endpoints=${endpoint}`, ...tls, '--command-timeout=1s', 'endpoint', 'health'];
    const healthy = await runEtcdctl(words).then(() => true, () => false);
    if (healthy) return;
    await sleep(lookEveryMs);
  }
  throw new Error(`etcd at ${endpoint} did not come up within ${startMs} ms`);
}

/** Certificates of a small authority of our own, made with openssl; texts for clients, files for the server. */
export interface Certificates {
  readonly folder: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

function tlsFlags({ folder }: Certificates): readonly string[] {
  return [`--cacert=${folder}/ca.crt`, `--cert=${folder}/client.crt`, `--key=${folder}/client.key`];
}

/** Makes an authority, a server certificate for `names` and a client certificate in `folder`. */
export async function makeCertificates(folder: string, names: string = 'IP:127.0.0.1,DNS:localhost'): Promise<Certificates> {
  const openssl = (...words: readonly string[]): Promise<unknown> => run('openssl', words, { cwd: folder });
  await openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=test authority', '-keyout', 'ca.key', '-out', 'ca.crt');
  for (const [name, use] of [['server', 'serverAuth,clientAuth'], ['client', 'clientAuth']] as const) {
    await openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
      '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    const extensions = `subjectAltName=${names}\nextendedKeyUsage=${use}\n`;
    await writeFile(join(folder, `${name}.ext`), extensions);
    await openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial',
      '-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.crt`);
  }
  const text = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
  return { folder, ca: await text('ca.crt'), cert: await text('client.crt'), key: await text('client.key') };
}

/** A TCP proxy in front of a server, which stands for the network. */
export interface Network {
  readonly endpoint: string;
  /** Breaks every connection and refuses new ones. */
  cut(): Promise<void>;
  /** Keeps connections open (new ones too) and carries nothing any more. */
  swallow(): void;
  /** Carries again; what was swallowed is carried now. */
  heal(): Promise<void>;
  /** From now on new connections lead to another server. */
  leadTo(endpoint: string): void;
  close(): Promise<void>;
}

/** Puts a proxy in front of `endpoint` (`http://host:port`). */
export async function startNetwork(endpoint: string): Promise<Network> {
  let behind = new URL(endpoint);
  const { protocol } = behind;
  const sockets = new Set<Socket>();
  let swallowing = false;
  let server: Server | null = null;
  const own = await freePort();

  const carry = (from: Socket, to: Socket): void => {
    sockets.add(from);
    if (swallowing) from.pause();
    else from.resume();
    from.on('data', (bytes) => to.write(bytes));
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
    from.on('error', () => to.destroy());
  };
  const listen = async (): Promise<void> => {
    server = createServer((near) => {
      const far = connect(Number(behind.port), behind.hostname);
      carry(near, far);
      carry(far, near);
      if (swallowing) for (const socket of [near, far]) socket.pause();
    }).listen(own, '127.0.0.1');
    await once(server, 'listening');
  };
  const cut = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    if (server === null) return;
    const closed = once(server, 'close');
    server.close();
    server = null;
    await closed;
  };
  await listen();
  return {
    endpoint: `${protocol}//127.0.0.1:${own}`,
    cut,
    swallow(): void {
      swallowing = true;
      for (const socket of sockets) socket.pause();
    },
    async heal(): Promise<void> {
      swallowing = false;
      for (const socket of sockets) socket.resume();
      if (server === null) await listen();
    },
    leadTo(other): void {
      behind = new URL(other);
    },
    close: cut,
  };
}
