/** The verbs about services: their ports, their directory, their releases and how many instances there are. */
import { portTableFields, serviceColumns, serviceFields } from './columns.ts';
import { poolFlags, releaseFlags, renderFlags, scaleFlags, tableFlags } from './flags.ts';
import { verb } from './verb-spec.ts';
import type { VerbSpec } from './verb-spec.ts';

export const serviceVerbs: readonly VerbSpec[] = [
  verb({
    name: 'ports',
    summary: 'Show which unit has which port, and pools of ports',
    usage: '[list | show POOL | set POOL LOW-HIGH | set [LOW-HIGH]=POOL | unset POOL]',
    flags: [...tableFlags('', portTableFields), ...poolFlags],
    errorPrefix: 'Error managing ports: ',
    description: [
      'Without an action it lists the ports that are given out. Units ask for them with Port=',
      'in [X-Fleet]. Pools are ranges with a name that units of the cluster share. A pool in use',
      'is changed or removed only with --force, and no unit loses its port by that.',
      '',
      'fleetctl ports set apps.war 20001-20010',
    ],
    load: () => import('./verbs/ports.ts'),
  }),
  verb({
    name: 'release',
    summary: 'Bring a new generation to units, a few at a time',
    usage: '[status|history|pause|resume|undo] UNIT [--file=PATH] [--batch=N|P%] [--surge|--in-place] ...',
    flags: releaseFlags,
    errorPrefix: 'Error releasing: ',
    description: [
      'Gives the instances of a template, or one unit, a new generation: a changed file, or',
      'the same one when its environment or image has changed. Shows how it goes until it',
      'has ended; the cluster carries it out, also without this terminal. The exit code is 1',
      'when it failed. What the unit file says about releases (ReleaseBatch= and so on) holds',
      'where no flag says otherwise.',
      '',
      'fleetctl release apps@.service',
      'fleetctl release apps@.service --file=next@.service --batch=25%',
      'fleetctl release status --follow apps@.service',
      'fleetctl release undo apps@.service --generation=3',
    ],
    load: () => import('./verbs/release.ts'),
  }),
  verb({
    name: 'render',
    summary: 'Fill a template with the service directory',
    usage: '[--watch] --to=FILE [--exec=COMMAND] TEMPLATE',
    flags: renderFlags,
    errorPrefix: 'Error retrieving services: ',
    description: [
      'Writes the template, filled with who listens where now, to a file, in one step and',
      'only when its text changes; then runs the command. With --watch it goes on, and',
      'restarts of fleetd leave it waiting. docs/services.md has the tags of templates.',
    ],
    load: () => import('./verbs/render.ts'),
  }),
  verb({
    name: 'scale',
    summary: 'Set how many instances of a template there are',
    usage: 'TEMPLATE COUNT [--no-block|--block-attempts=N]',
    flags: scaleFlags,
    errorPrefix: 'Error scaling: ',
    description: [
      'Starts instances, stopped ones first, then new ones with the lowest free numbers; or',
      'destroys those with the highest numbers. Returns when the new ones run.',
      '',
      'fleetctl scale apps@ 5',
    ],
    load: () => import('./verbs/scale.ts'),
  }),
  verb({
    name: 'services',
    summary: 'List who listens where, now',
    usage: '[-l|--full] [--no-legend] [--fields=LIST] [SERVICE]',
    flags: tableFlags(serviceFields, Object.keys(serviceColumns)),
    errorPrefix: 'Error retrieving services: ',
    description: [
      'Lists the units that have ports of the cluster and are active, healthy (or not',
      'checked) and not about to be stopped, by service and by the name of the port.',
    ],
    load: () => import('./verbs/services.ts'),
  }),
];
