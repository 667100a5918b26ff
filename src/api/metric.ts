/** One metric in the words of Prometheus. Promises: plain data, printed in Prometheus' text format, version 0.0.4. */

/** One number, with labels that tell it from others of the same metric. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One metric with its samples. */
export interface Metric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: readonly Sample[];
}

type MakeMetric = (name: string, help: string, value: number | readonly Sample[]) => Metric;

const metric =
  (type: Metric['type']): MakeMetric =>
  (name, help, value) => ({
    name,
    type,
    help,
    samples: typeof value === 'number' ? [{ value }] : value,
  });
export const gauge: MakeMetric = metric('gauge');
export const counter: MakeMetric = metric('counter');

/** The metrics as text. */
export function printMetrics(metrics: readonly Metric[]): string {
  return metrics
    .map(({ name, type, help, samples }) => {
      const lines = samples.map((sample) => `${name}${printLabels(sample)} ${sample.value}\n`);
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
    })
    .join('');
}

function printLabels({ labels = {} }: Sample): string {
  const escape = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escape(text)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
