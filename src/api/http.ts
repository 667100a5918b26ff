/**
 * How the API speaks HTTP: bodies, errors, resources with their methods.
 * Promises: every body is JSON with its type said exactly so, as fleet 1.0 has it; every error has a status of the
 * failure table; an unsupported method is answered, never guessed.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, HTTPMethods } from 'fastify';
import { failureTable, type Failure } from '../core/failure.ts';
import type { ErrorResource } from '../protocol/v1.ts';
import type { ErrorAnswer } from '../protocol/v2.ts';

export type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown;

/** What a resource does for one method. */
export interface Method {
  readonly handler: Handler;
  readonly schema?: FastifySchema;
  /** Turns the text of the body into the value that the schema checks, or answers. */
  readonly decode?: (request: FastifyRequest, reply: FastifyReply, done: () => void) => void;
}

/** A path, what it does for each method, and what it says to all others. */
export interface Resource {
  readonly url: string;
  readonly methods: Partial<Record<'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE', Method>>;
  readonly refuse: Handler;
}

export function addResource(app: FastifyInstance, { url, methods, refuse }: Resource): void {
  for (const [method, { handler, schema, decode }] of Object.entries(methods)) {
    const checks = {
      ...(schema === undefined ? {} : { schema }),
      ...(decode === undefined ? {} : { preValidation: decode }),
    };
    app.route({ method: method as HTTPMethods, url, handler, ...checks });
  }
  const others = app.supportedMethods.filter((method) => !(method in methods));
  app.route({ method: others, url, handler: refuse, config: refusal });
}

/** Marks routes that only say which methods there are. */
export const refusal = { refuses: true } as const;

/**
 * Sends a value as JSON. Bytes, because the framework adds a charset to the type of texts, which fleet 1.0's clients do
 * not expect.
 */
export function sendJson(reply: FastifyReply, status: number, value: unknown): FastifyReply {
  return reply
    .code(status)
    .header('content-type', 'application/json')
    .send(Buffer.from(JSON.stringify(value)));
}

/** An error in the form of API v1. */
export function sendV1Error(reply: FastifyReply, code: number, message: string): FastifyReply {
  const body: ErrorResource = { error: { code, message } };
  return sendJson(reply, code, body);
}

/** A failure in the form of API v1: its status and its sentence. */
export function sendV1Failure(reply: FastifyReply, { code, message }: Failure): FastifyReply {
  return sendV1Error(reply, failureTable[code].status, message);
}

/** A failure in the form of API v2. */
export function sendFailure(reply: FastifyReply, { code, message }: Failure): FastifyReply {
  const { status } = failureTable[code];
  const body: ErrorAnswer = { error: { code: status, reason: code, message } };
  return sendJson(reply, status, body);
}

/** Every value of a query parameter, in order. */
export function queryValues(request: FastifyRequest, name: string): readonly string[] {
  const value = (request.query as Readonly<Record<string, string | readonly string[] | undefined>>)[name];
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}

/** A parameter of the path; '' when it has none of that name. */
export function pathValue(request: FastifyRequest, name: string): string {
  return (request.params as Readonly<Record<string, string | undefined>>)[name] ?? '';
}

/** The body as text; '' when there is none. */
export function bodyText(request: FastifyRequest): string {
  return typeof request.body === 'string' ? request.body : '';
}

/**
 * Whether the request says, exactly once, that its body is JSON; parameters of the type are allowed (RFC 9110 section
 * 8.3.1).
 */
export function saysJson(request: FastifyRequest): boolean {
  const { rawHeaders, headers } = request.raw;
  const given = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'content-type').length;
  const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  return given <= 1 && type === 'application/json';
}
