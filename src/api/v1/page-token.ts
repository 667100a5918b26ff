/**
 * Page tokens of API v1: two little-endian 16-bit numbers, the limit and the page, in URL-safe base64 (`ZAACAA==` is
 * page 2 of 100 items each), as fleet 1.0 makes them.
 * Promises: a token of fleet 1.0 means the same here; a wrong one is refused in its words.
 */
import { failure, success, type Result } from '../../core/failure.ts';

/** Which page of how many items; pages count from 1. */
export interface PageToken {
  readonly limit: number;
  readonly page: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** The next page's token; null on the last page. */
  readonly next: string | null;
}

const largestPage = 0xffff;

/**
 * Reads the `nextPageToken` parameters of a request: none means the first page. `limit` is the only one that is taken.
 */
export function readPageToken(values: readonly string[], limit: number): Result<PageToken> {
  const [text, ...more] = values;
  if (text === undefined) return success({ limit, page: 1 });
  if (more.length > 0) return invalid('too many values for page token');
  const wrongAt = firstWrongByte(text);
  if (wrongAt !== null) return invalid(`illegal base64 data at input byte ${wrongAt}`);
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length < 4) return invalid(bytes.length === 0 ? 'EOF' : 'unexpected EOF');
  const token = { limit: bytes.readUInt16LE(0), page: bytes.readUInt16LE(2) };
  if (token.limit !== limit) return invalid(`token limit must be ${limit}`);
  return token.page === 0 ? invalid('token page must be greater than zero') : success(token);
}

export function printPageToken({ limit, page }: PageToken): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(limit, 0);
  bytes.writeUInt16LE(page, 2);
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/**
 * The items of a page. As in fleet 1.0 a full page is followed by a token even when nothing comes after it, and a page
 * beyond the end is empty. Unlike there, page times limit does not wrap around above 65,535.
 */
export function pageOf<T>(all: readonly T[], { limit, page }: PageToken): Page<T> {
  const end = page * limit;
  const hasNext = end <= all.length && page < largestPage;
  return { items: all.slice(end - limit, end), next: hasNext ? printPageToken({ limit, page: page + 1 }) : null };
}

function invalid(why: string): Result<never> {
  return failure('PAGE_TOKEN_INVALID', why);
}

/** Where a text stops being padded URL-safe base64 (RFC 4648 section 5); null when it is. */
function firstWrongByte(text: string): number | null {
  const content = text.replace(/={1,2}$/, '');
  const wrong = content.search(/[^A-Za-z0-9_-]/);
  if (wrong !== -1) return wrong;
  const isWhole = text.length % 4 === 0 && content.length % 4 !== 1;
  return isWhole ? null : text.length - (text.length % 4);
}
