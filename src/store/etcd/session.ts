/**
 * One gRPC connection to one etcd member, proven to work and authenticated.
 * Promises: a session that was opened has reached a member with a leader; every request has a deadline and ends with
 * its signal; a connection whose other side went silent is given up within ten seconds while a watch is open on it, or two request timeouts.
 */
import { Client, connectivityState, credentials, Metadata } from '@grpc/grpc-js';
import type { ChannelCredentials, ClientDuplexStream } from '@grpc/grpc-js';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { StoreUnavailable } from '../store.ts';
import type { StoreError } from './errors.ts';
import { isAuthenticationOff, isServiceError, storeErrorOf } from './errors.ts';
import { Auth, Maintenance } from './generated/etcd_pb.js';
import { patienceOf } from './options.ts';
import type { Endpoint, EtcdOptions } from './options.ts';

/** Far above what paging and etcd's own fragments aim at; a page that is larger all the same is asked for in parts. */
const messageBytesMax = 16 * 1024 * 1024;

/**
 * Unread bytes of one stream that may be on their way; HTTP/2's 64 KiB make a long listing wait for each round trip.
 */
const streamWindowBytes = 1024 * 1024;

const channelOptions = {
  'grpc.max_receive_message_length': messageBytesMax,
  'grpc-node.flow_control_window': streamWindowBytes,
  'grpc.use_local_subchannel_pool': 1, // A connection given up must not come back through gRPC's shared pool.
  'grpc.enable_http_proxy': 0, // The cluster's memory is never reached through a web proxy.
  'grpc.enable_retries': 0, // A commit must not be sent twice behind our back.
  'grpc.service_config_disable_resolution': 1,
} as const;

/** Any method of the generated services. */
export type Method<I extends DescMessage, O extends DescMessage> =
  DescMethod & { readonly input: I; readonly output: O };

/** A request on its way to one member. */
export interface RequestLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface Session {
  /** The member's URL. */
  readonly endpoint: string;
  /** The member's etcd version, e.g. `3.4.23`; empty when it does not say. */
  readonly version: string;
  /** Aborted, with a StoreUnavailable, when this session is given up. */
  readonly ended: AbortSignal;
  /** False once the connection was lost; it is not made again. */
  isConnected(): boolean;
  /**
   * Sends one request and waits for its one answer; rejects with a ServiceError or the signal's reason.
   * A streaming method works too: one message and a half-closed stream are the same on the wire.
   */
  ask<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>, request: MessageInitShape<I>, limits: RequestLimits): Promise<MessageShape<O>>;
  /** Opens a stream both ways; whoever opens it cancels it. */
  open<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>): ClientDuplexStream<MessageShape<I>, MessageShape<O>>;
  /** Gets a new token; calls at the same time share one request. Does nothing without a user name. */
  authenticate(): Promise<void>;
  /** Gives the connection up; streams on it have to be canceled by their owners (see `ended`). */
  end(why: StoreError): void;
}

/** What all sessions of one store have in common. */
export interface SessionNeeds {
  readonly options: EtcdOptions;
  /** Of `https://` endpoints; made when they are needed, because they hold every authority this machine trusts. */
  readonly credentials: () => ChannelCredentials;
}

/** TLS for `https://` endpoints from PEM texts. Throws when they cannot be read; checkEtcdOptions says so first. */
export function secureCredentials(tls: EtcdOptions['tls']): ChannelCredentials {
  const bytes = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  return credentials.createSsl(bytes(tls?.ca), bytes(tls?.key), bytes(tls?.cert));
}

/** Has the certificate checked for another name than the one that is dialled. */
function nameOverride(name: string): Readonly<Record<string, string>> {
  return { 'grpc.ssl_target_name_override': name, 'grpc.default_authority': name };
}

/** Connects to a member. Throws StoreUnavailable when it cannot be reached, has no leader or refuses the password. */
export async function openSession(endpoint: Endpoint, needs: SessionNeeds, signal: AbortSignal): Promise<Session> {
  const security = endpoint.secure ? needs.credentials() : credentials.createInsecure();
  const { serverName } = needs.options;
  const { connectMs, pingEveryMs, pingAnswerMs } = patienceOf(needs.options);
  const client = new Client(endpoint.target, security, {
    ...channelOptions, 'grpc.keepalive_time_ms': pingEveryMs, 'grpc.keepalive_timeout_ms': pingAnswerMs,
    ...(serverName === undefined ? {} : nameOverride(serverName)),
  });
  const session = createSession(client, endpoint, needs.options);
  try {
    const limits = { timeoutMs: connectMs, signal };
    const probe = await session.ask(Maintenance.method.status, {}, limits).catch((error: unknown) => {
      if (!isServiceError(error) || storeErrorOf(error, endpoint.url).leave !== 'no') throw error;
      return null; // It answers, but not everybody may ask it this.
    });
    signal.throwIfAborted();
    if (probe?.isLearner === true) throw unfit(endpoint, 'it is a learner, which serves nobody yet');
    if (probe?.leader === 0n) throw unfit(endpoint, 'it has no leader (no quorum, or an election)');
    await session.authenticate();
    return { ...session, version: probe?.version ?? '' };
  } catch (error) {
    client.close();
    signal.throwIfAborted();
    throw storeErrorOf(error, endpoint.url).error;
  }
}

const unfit = (endpoint: Endpoint, why: string): StoreUnavailable =>
  new StoreUnavailable(`etcd at ${endpoint.url}: ${why}`);

function createSession(client: Client, endpoint: Endpoint, options: EtcdOptions): Session {
  const ended = new AbortController();
  let metadata = metadataWith(null);
  let authenticating: Promise<void> | null = null;

  const renewToken = async (name: string, password: string): Promise<void> => {
    // Without the token in use: etcd refuses even this request when it comes with an old one.
    const caller: Caller = { client, metadata: metadataWith(null) };
    const limits = { timeoutMs: patienceOf(options).connectMs, signal: ended.signal };
    const call = { method: Auth.method.authenticate, request: { name, password } };
    const answer = await ask(caller, call, limits).catch((error: unknown) => {
      if (isAuthenticationOff(error)) return null;
      throw error;
    });
    metadata = metadataWith(answer?.token ?? null);
  };
  return {
    endpoint: endpoint.url,
    version: '',
    ended: ended.signal,
    isConnected: () => client.getChannel().getConnectivityState(false) === connectivityState.READY,
    ask: (method, request, limits) => ask({ client, metadata }, { method, request }, limits),
    open(method) {
      const { path, encode, decode } = wireFormOf(method);
      return client.makeBidiStreamRequest(path, encode, decode, metadata);
    },
    authenticate(): Promise<void> {
      const { username, password } = options;
      if (username === undefined || password === undefined) return Promise.resolve();
      authenticating ??= renewToken(username, password).finally(() => {
        authenticating = null;
      });
      return authenticating;
    },
    end(why: StoreError): void {
      if (ended.signal.aborted) return;
      ended.abort(why);
      client.close();
    },
  };
}

interface Caller {
  readonly client: Client;
  readonly metadata: Metadata;
}

function ask<I extends DescMessage, O extends DescMessage>(
  { client, metadata }: Caller,
  call: { method: Method<I, O>; request: MessageInitShape<I> },
  { timeoutMs, signal }: RequestLimits,
): Promise<MessageShape<O>> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const { path, encode, decode } = wireFormOf(call.method);
    const message = create(call.method.input, call.request);
    // gRPC reads the wall clock itself to turn this into a duration, so it is the right clock here.
    const limits = { deadline: Date.now() + timeoutMs };
    const cancel = (): void => sent.cancel();
    const sent = client.makeUnaryRequest(path, encode, decode, message, metadata, limits, (error, answer) => {
      signal.removeEventListener('abort', cancel);
      if (error === null) resolve(answer as MessageShape<O>);
      else reject(signal.aborted ? signal.reason as Error : error);
    });
    signal.addEventListener('abort', cancel, { once: true });
  });
}

/** `hasleader` makes a member without a leader refuse at once, and end a watch, instead of staying silent. */
function metadataWith(token: string | null): Metadata {
  const metadata = new Metadata();
  metadata.set('hasleader', 'true');
  if (token !== null) metadata.set('token', token);
  return metadata;
}

interface WireForm<I extends DescMessage, O extends DescMessage> {
  readonly path: string;
  readonly encode: (message: MessageShape<I>) => Buffer;
  readonly decode: (bytes: Buffer) => MessageShape<O>;
}

function wireFormOf<I extends DescMessage, O extends DescMessage>(method: Method<I, O>): WireForm<I, O> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    encode(message): Buffer {
      const bytes = toBinary(method.input, message);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    decode: (bytes) => fromBinary(method.output, bytes),
  };
}
