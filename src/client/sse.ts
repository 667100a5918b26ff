/**
 * Server-sent events (WHATWG HTML, section 9.2): bytes to frames.
 * Promises: frames come out whole whatever way the bytes are cut; a frame larger than the limit is refused, so memory
 * is bounded.
 */

/** Characters of one frame: an event carries one view, which is a few kilobytes. */
const frameCharactersMax = 1_048_576;

/** One frame; absent fields are ''. */
export interface SseFrame {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Takes pieces of a stream and gives the frames each piece completes. Throws an Error on a frame over the limit. */
export function createSseReader(): (chunk: Uint8Array) => readonly SseFrame[] {
  const decoder = new TextDecoder();
  let pending = '';
  return (chunk) => {
    pending += decoder.decode(chunk, { stream: true });
    // A carriage return at the end may be half of a line break: it waits for the next piece.
    const usable = pending.endsWith('\r') ? pending.length - 1 : pending.length;
    const parts = pending.slice(0, usable).replaceAll(/\r\n?/g, '\n').split('\n\n');
    pending = (parts.pop() ?? '') + pending.slice(usable);
    if (pending.length > frameCharactersMax)
      throw new Error(`an event is larger than ${frameCharactersMax} characters`);
    return parts.map(readFrame).filter((frame) => frame !== null);
  };
}

/** The fields of one frame; null for comments, which only say that the other side lives. */
function readFrame(text: string): SseFrame | null {
  const fields: Record<string, string[]> = { id: [], event: [], data: [] };
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    const name = colon === -1 ? line : line.slice(0, colon);
    fields[name]?.push(colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, ''));
  }
  const last = (name: string): string => fields[name]?.at(-1) ?? '';
  const data = fields['data']?.join('\n') ?? '';
  return data === '' && last('event') === '' ? null : { id: last('id'), event: last('event'), data };
}
