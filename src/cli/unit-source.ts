/**
 * Unit files on this machine's disk: read, checked, and their mistakes told with file and line.
 * Promises: a file that does not exist is no mistake; every mistake of a file is told, not only the first.
 */
import { isAbsolute, join } from 'node:path';
import type { Finding } from '../core/finding.ts';
import { decodeUnitText, parseUnitFile } from '../core/unit-file.ts';
import type { UnitFile } from '../core/unit-file.ts';
import type { FileHash } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { verifyUnitFile } from '../core/verify.ts';
import type { Environment } from './environment.ts';

/** What a file says. `path` is as the person wrote it. */
export type UnitSource =
  | { readonly kind: 'absent'; readonly path: string }
  | {
      readonly kind: 'wrong';
      readonly path: string;
      readonly errors: readonly string[];
      readonly warnings: readonly string[];
    }
  | {
      readonly kind: 'good';
      readonly path: string;
      readonly text: string;
      /** The hash of its content, made when somebody first asks for it: cryptography is seldom needed and takes long to load. */
      readonly hash: () => Promise<FileHash>;
      readonly warnings: readonly string[];
    };

/** Reads the file of a unit, or of the template it is made from, and checks it for that unit. */
export async function readUnitSource(environment: Environment, path: string, name: UnitName): Promise<UnitSource> {
  const wrong = (error: string, warnings: readonly string[] = []): UnitSource => ({
    kind: 'wrong',
    path,
    errors: [error],
    warnings,
  });
  let bytes: Uint8Array;
  try {
    bytes = await environment.readFile(isAbsolute(path) ? path : join(environment.cwd, path));
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    return code === 'ENOENT' || code === 'ENOTDIR'
      ? { kind: 'absent', path }
      : wrong(`${path}: error: cannot be read: ${message}`);
  }
  const text = decodeUnitText(bytes);
  if (!text.ok) return wrong(placed(path, text.failure.message));
  const file = parseUnitFile(text.value);
  if (!file.ok) return wrong(placed(path, file.failure.message));
  const findings = verifyUnitFile(name, file.value);
  const warnings = findings.warnings.map((finding) => printFound(path, 'warning', finding));
  if (findings.errors.length > 0)
    return {
      kind: 'wrong',
      path,
      errors: findings.errors.map((finding) => printFound(path, 'error', finding)),
      warnings,
    };
  return { kind: 'good', path, text: text.value, hash: hashLater(file.value), warnings };
}

function hashLater(file: UnitFile): () => Promise<FileHash> {
  let hash: Promise<FileHash> | null = null;
  return () => (hash ??= import('../core/unit-hash.ts').then(({ hashUnitFile }) => hashUnitFile(file)));
}

function printFound(path: string, kind: 'error' | 'warning', { line, message }: Finding): string {
  return `${path}${line === 0 ? '' : `:${line}`}: ${kind}: ${message}`;
}

/** Moves the place from the front of a parser's message into the form compilers print, which editors can jump to. */
function placed(path: string, message: string): string {
  const [, line, column, rest] = /^line (\d+)(?:, column (\d+))?: (.*)$/s.exec(message) ?? [];
  if (line === undefined) return `${path}: error: ${message}`;
  return `${path}:${line}${column === undefined ? '' : `:${column}`}: error: ${rest ?? ''}`;
}
