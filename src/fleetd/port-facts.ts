/** What the agent can ask about ports: the kernel's listening sockets, and the logs of units by the runner's own tools. */
import type { LogLine, PortFacts } from '../agent/port-watch.ts';
import { readListeningPorts } from '../host/listeners.ts';
import type { UnitInspector } from '../runner/runner.ts';

/** Lines of a log that a failed start is judged by: tracebacks fit. */
const linesMax = 50;

export function portFactsOf(inspector: UnitInspector): PortFacts {
  return {
    listening: readListeningPorts,
    async lastLines(name, signal): Promise<readonly LogLine[]> {
      let text = '';
      for await (const lines of inspector.journal({ name, lines: linesMax, follow: false, output: 'short-unix' }, signal)) text += lines;
      return text.split('\n').flatMap(readLine);
    },
  };
}

/** Reads `1700000000.123456 host app[12]: text`, as journalctl's short-unix output has it. */
export function readLine(line: string): readonly LogLine[] {
  const [, seconds, text = ''] = /^(\d+\.\d+) \S+ [^:]*: (.*)$/.exec(line) ?? [];
  return seconds === undefined ? [] : [{ atMs: Math.floor(Number(seconds) * 1_000), text }];
}
