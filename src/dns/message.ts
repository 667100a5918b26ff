/**
 * Messages of DNS: bytes to a question, a reply to bytes.
 * Promises: never throws, whatever the bytes; answers nothing to an answer, so that two servers never talk to each other; what
 * does not fit into a datagram is cut with the flag that says so, and the asker comes again over TCP.
 */
import { AUTHORITATIVE_ANSWER, RECURSION_DESIRED, TRUNCATED_RESPONSE, decode, encode } from 'dns-packet';
import type { OptAnswer, Packet } from 'dns-packet';
import { answerQuestion, rcodes } from './answer.ts';
import type { Reply, Zone } from './answer.ts';

export type Transport = 'udp' | 'tcp';

/** RFC 1035 section 4.2.1: what everybody takes. */
const plainDatagramBytes = 512;
/** What passes everywhere without fragments (DNS flag day 2020), whatever the asker would take. */
const datagramBytesMax = 1_232;
/** The length before a message over TCP has two bytes (RFC 1035 section 4.2.2). */
export const messageBytesMax = 65_535;
const headerBytes = 12;
const failed = (rcode: number): Reply => ({ rcode, isOurs: false, answers: [], authorities: [], additionals: [] });

/** The reply to a message; null when none is due. `zone` is null while nothing is known of the cluster. */
export function reply(message: Buffer, zone: Zone | null, transport: Transport): Buffer | null {
  // The first bit of the third byte marks answers.
  if (message.length < headerBytes || (message.readUInt8(2) & 0x80) !== 0) return null;
  const query = read(message);
  if (query === null) return encode({ type: 'response', id: message.readUInt16BE(0), flags: rcodes.formatError });
  const extension = query.additionals?.find((record): record is OptAnswer => record.type === 'OPT');
  const limit = transport === 'tcp' ? messageBytesMax
    : Math.min(datagramBytesMax, Math.max(plainDatagramBytes, extension?.udpPayloadSize ?? plainDatagramBytes));
  return print(query, { answer: replyTo(query, zone), hasExtension: extension !== undefined, limit });
}

/** A query whose questions can be repeated as they were asked; null for bytes that are none. */
function read(message: Buffer): Packet | null {
  try {
    const query = decode(message);
    // Labels with dots or bytes that are no UTF-8 come out as other names than were asked for.
    const echo = encode({ questions: query.questions ?? [] }).subarray(headerBytes);
    return message.subarray(headerBytes, headerBytes + echo.length).equals(echo) ? query : null;
  } catch {
    return null;
  }
}

function replyTo(query: Packet, zone: Zone | null): Reply {
  const [question, ...others] = query.questions ?? [];
  // The library has the operation as a word of `opcode`, which its types lack.
  if ((query as { readonly opcode?: string }).opcode !== 'QUERY') return failed(rcodes.notImplemented);
  if (question === undefined || others.length > 0) return failed(rcodes.formatError);
  if (question.class !== 'IN' && question.class !== 'ANY') return failed(rcodes.refused);
  return zone === null ? failed(rcodes.serverFailure) : answerQuestion(question, zone);
}

interface Printing {
  readonly answer: Reply;
  readonly hasExtension: boolean;
  readonly limit: number;
}

function print(query: Packet, { answer, hasExtension, limit }: Printing): Buffer {
  const flags = answer.rcode | (answer.isOurs ? AUTHORITATIVE_ANSWER : 0) | ((query.flags ?? 0) & RECURSION_DESIRED);
  const extension: readonly OptAnswer[] = hasExtension
    ? [{ type: 'OPT', name: '.', udpPayloadSize: datagramBytesMax, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] }]
    : [];
  const head = { type: 'response', id: query.id ?? 0, flags, questions: query.questions ?? [] } as const;
  const { answers, authorities, additionals } = answer;
  const forms: readonly Packet[] = [
    { ...head, answers: [...answers], authorities: [...authorities], additionals: [...additionals, ...extension] },
    // Addresses that were not asked for are no loss.
    { ...head, answers: [...answers], authorities: [...authorities], additionals: [...extension] },
    { ...head, flags: flags | TRUNCATED_RESPONSE, additionals: [...extension] },
  ];
  for (const form of forms) {
    const bytes = encode(form);
    if (bytes.length <= limit) return bytes;
  }
  return encode({ type: 'response', id: query.id ?? 0, flags: rcodes.formatError });
}
