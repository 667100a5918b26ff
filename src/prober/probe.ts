/**
 * Asks a unit that runs whether it is well: over HTTP, by a TCP connection, or by a command run as the unit's own user.
 * Promises: answers null or why not, as one line of bounded length; never throws but for the reason of its signal; leaves no
 * connection open and no process behind.
 */
import type { ProbeRequest } from '../core/unit-care.ts';
import { probeCommand } from './command-probe.ts';
import { probeHttp } from './http-probe.ts';
import { probeTcp } from './tcp-probe.ts';

/** Longest reason: it is stored with the unit's status. */
const whyCharactersMax = 200;

export async function probe(request: ProbeRequest, signal: AbortSignal): Promise<string | null> {
  const why = await ask(request, signal);
  signal.throwIfAborted();
  return why === null ? null : oneLine(why);
}

function ask(request: ProbeRequest, signal: AbortSignal): Promise<string | null> {
  const { check } = request;
  switch (check.kind) {
    case 'http':
      return probeHttp(check.url, signal);
    case 'tcp':
      return probeTcp(check.address, signal);
    case 'exec':
      return probeCommand(check.words, request, signal);
  }
}

function oneLine(text: string): string {
  const line = text.trim().replaceAll(/[\p{Cc}\s]+/gu, ' ');
  return line.length > whyCharactersMax ? `${line.slice(0, whyCharactersMax)}...` : line;
}
