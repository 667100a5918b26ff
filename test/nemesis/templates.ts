/**
 * The units of a run: which templates there are, what becomes of their units on a lost machine, and their files.
 * Promises: every unit runs the holder; those with a port are given one of the same few, so that they are in one another's way.
 */

/** Whether a unit may go on running on a machine the cluster has lost (keep) or stops by itself before it starts elsewhere (stop). */
export type UnitKind = 'keep' | 'stop';

/** Where machines see the folder of the host. */
export const folderInMachine = '/nemesis';

const stopping = ['OnMachineLost=stop', 'LostAfter=8s'];
const released = ['Port=http:21001-21008', 'ReleaseMinActive=1s', 'ReleaseHealthTimeout=90s'];

/** People start and stop single units of the first two, and scale and release the other two as a whole. */
const templates: Readonly<Record<string, { readonly kind: UnitKind; readonly section: readonly string[] }>> = {
  'keep@.service': { kind: 'keep', section: [] },
  'stop@.service': { kind: 'stop', section: stopping },
  'surge@.service': { kind: 'keep', section: [...released, 'ReleaseStrategy=surge'] },
  'place@.service': { kind: 'stop', section: [...released, ...stopping, 'ReleaseStrategy=in-place'] },
};

/** Templates whose instances people start and stop one by one, and those they scale and release. */
export const singleUnits: readonly string[] = [
  ...[1, 2, 3, 4, 5, 6].map((number) => `keep@${number}.service`), ...[1, 2, 3].map((number) => `stop@${number}.service`),
];
export const releasedTemplates: readonly string[] = ['surge@.service', 'place@.service'];

/** "surge@.service" for "surge@4.service". */
export function templateOf(unit: string): string {
  return unit.replace(/@[^.]*/, '@');
}

/** What becomes of a unit on a lost machine, by its name. */
export function kindOf(unit: string): UnitKind {
  return templates[templateOf(unit)]?.kind ?? 'keep';
}

/** The file of a template, as of a release. */
export function templateText(template: string, version: number): string {
  const { section = [] } = templates[template] ?? {};
  return ['[Unit]', 'Description=holds a lock', '', '[Service]', `Environment=VERSION=${version}`, `ExecStart=${folderInMachine}/holder %n %H`,
    'TimeoutStopSec=2s', 'Restart=on-failure', '', '[X-Fleet]', ...section, ''].join('\n');
}

/** The files every machine has at its first boot, by name. */
export const firstFiles: ReadonlyMap<string, string> = new Map(Object.keys(templates).map((template) => [template, templateText(template, 0)]));
