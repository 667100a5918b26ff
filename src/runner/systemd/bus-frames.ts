/**
 * D-Bus messages on the wire (D-Bus specification, "Message Format"): bytes to frames, frames to values.
 * Promises: a frame's header is read without touching its body, so that signals nobody wants cost next to nothing;
 * a peer that does not speak the protocol makes the reader throw, never wait or grow without bound.
 */
import unmarshall from '@httptoolkit/dbus-native/lib/unmarshall.js';

/** The specification allows 128 MiB; systemd's largest answer, a list of all units, is a few MiB. */
const FRAME_BYTES_MAX = 64 * 1_024 * 1_024;
const FIXED_HEADER_BYTES = 16;
const LITTLE_ENDIAN = 0x6c;

/** Message types of the specification. */
export const frameTypes = { call: 1, reply: 2, error: 3, signal: 4 } as const;

/** One message, its body not yet decoded. Header fields that are absent are ''. */
export interface BusFrame {
  readonly type: number;
  readonly serial: number;
  readonly replySerial: number;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly errorName: string;
  readonly signature: string;
  readonly body: Buffer;
}

/** The values of a frame's body; throws when they do not fit its signature. */
export function decodeBody(frame: BusFrame): readonly unknown[] {
  return frame.signature === '' ? [] : unmarshall(frame.body, frame.signature);
}

/** The first value of a body that begins with a string, without decoding the rest. */
export function firstString(frame: BusFrame): string {
  if (!frame.signature.startsWith('s') || frame.body.length < 4) return '';
  return frame.body.toString('utf8', 4, 4 + frame.body.readUInt32LE(0));
}

/** Collects bytes and hands out the frames that are complete. */
export interface FrameReader {
  push(chunk: Buffer): readonly BusFrame[];
}

export function createFrameReader(): FrameReader {
  let pending: Buffer = Buffer.alloc(0);
  let neededBytes = FIXED_HEADER_BYTES;
  let chunks: Buffer[] = [];
  let collectedBytes = 0;
  return {
    push(chunk): readonly BusFrame[] {
      chunks.push(chunk);
      collectedBytes += chunk.length;
      if (collectedBytes < neededBytes) return [];
      pending = chunks.length === 1 ? chunk : Buffer.concat(chunks);
      const frames: BusFrame[] = [];
      let at = 0;
      for (;;) {
        const rest = pending.subarray(at);
        neededBytes = rest.length < FIXED_HEADER_BYTES ? FIXED_HEADER_BYTES : frameBytes(rest);
        if (rest.length < neededBytes) break;
        frames.push(readFrame(rest.subarray(0, neededBytes)));
        at += neededBytes;
      }
      chunks = at === pending.length ? [] : [pending.subarray(at)];
      collectedBytes = pending.length - at;
      return frames;
    },
  };
}

const padded = (length: number, to: number): number => Math.ceil(length / to) * to;

function frameBytes(bytes: Buffer): number {
  if (bytes[0] !== LITTLE_ENDIAN) throw new Error(`not a little-endian D-Bus message (first byte ${String(bytes[0])})`);
  const total = padded(FIXED_HEADER_BYTES + bytes.readUInt32LE(12), 8) + bytes.readUInt32LE(4);
  if (total > FRAME_BYTES_MAX) throw new Error(`a D-Bus message of ${String(total)} bytes is more than fleet reads`);
  return total;
}

function readFrame(bytes: Buffer): BusFrame {
  const fieldsEnd = FIXED_HEADER_BYTES + bytes.readUInt32LE(12);
  const header = readHeaderFields(bytes, fieldsEnd);
  return {
    type: bytes[1] ?? 0, serial: bytes.readUInt32LE(8), replySerial: header.replySerial,
    path: header.text[1] ?? '', interface: header.text[2] ?? '', member: header.text[3] ?? '', errorName: header.text[4] ?? '',
    signature: header.text[8] ?? '', body: bytes.subarray(padded(fieldsEnd, 8)),
  };
}

const REPLY_SERIAL_FIELD = 5;

/** Header fields are an array of (code, variant); the variants are strings, object paths, signatures and unsigned numbers. */
function readHeaderFields(bytes: Buffer, fieldsEnd: number): { text: readonly string[]; replySerial: number } {
  const text: string[] = [];
  let replySerial = 0;
  let at = FIXED_HEADER_BYTES;
  while (at < fieldsEnd) {
    at = padded(at, 8);
    const code = bytes.readUInt8(at);
    const kind = String.fromCharCode(bytes.readUInt8(at + 2));
    at += 4;
    if (kind === 'u') {
      at = padded(at, 4);
      if (code === REPLY_SERIAL_FIELD) replySerial = bytes.readUInt32LE(at);
      at += 4;
    } else if (kind === 'g') {
      const length = bytes.readUInt8(at);
      text[code] = bytes.toString('latin1', at + 1, at + 1 + length);
      at += 1 + length + 1;
    } else if (kind === 's' || kind === 'o') {
      at = padded(at, 4);
      const length = bytes.readUInt32LE(at);
      text[code] = bytes.toString('utf8', at + 4, at + 4 + length);
      at += 4 + length + 1;
    } else {
      throw new Error(`unknown type '${kind}' in the header of a D-Bus message`);
    }
  }
  return { text, replySerial };
}
