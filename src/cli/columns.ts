/**
 * Columns of list-units, list-unit-files and list-machines: which there are, and how a row becomes text.
 * Promises: names, order and shortening are fleet 1.0's; what it did not have comes only when asked for with --fields.
 */
import { failure, success } from '../core/failure.ts';
import type { Result } from '../core/failure.ts';
import { whyFailed } from '../core/unit-state.ts';
import { shortMachineId } from '../core/machine.ts';
import { printRange, rangeSize } from '../core/ports.ts';
import { nearest } from '../core/spelling.ts';
import type { MachineView } from '../protocol/machines.ts';
import type { PoolView, PortView } from '../protocol/ports.ts';
import type { InstanceView, ServiceView, StatusView, UnitView } from '../protocol/v2.ts';
import { formatTable } from './table.ts';

/** How one field of a row is shown; `full` leaves ids and hashes whole. */
type Column<Row> = (row: Row, full: boolean) => string;

/** The columns of one table, by field name. */
export type Columns<Row> = Readonly<Record<string, Column<Row>>>;

/** A unit file's row: the unit, and the machine it is on with its address. */
export interface UnitFileRow {
  readonly unit: UnitView;
  readonly machine: { readonly id: string; readonly address: string } | null;
}

/** "2c7d7478.../172.18.0.3", the id whole with `full`, without the address when there is none. */
export function machineLabel(
  machine: { readonly id: string; readonly address: string },
  full: boolean = false,
): string {
  const id = full ? machine.id : shortMachineId(machine.id);
  return machine.address === '' ? id : `${id}/${machine.address}`;
}

function orDash(text: string): string {
  return text === '' ? '-' : text;
}

function hashText(hash: string, full: boolean): string {
  return orDash(full ? hash : hash.slice(0, 7));
}

export const unitColumns: Columns<StatusView> = {
  unit: (row) => row.name,
  load: (row) => orDash(row.load),
  active: (row) => orDash(row.active),
  sub: (row) => orDash(row.sub),
  machine: (row, full) => (row.machine === '' ? '-' : machineLabel({ id: row.machine, address: row.address }, full)),
  hash: (row, full) => hashText(row.hash, full),
  health: (row) => (row.draining ? 'draining' : row.health === 'none' ? '-' : row.health),
  ports: (row) => orDash(Object.entries(row.ports).map(([name, port]) => `${name}=${port}`).join(',')),
  why: (row) => orDash(whyFailed(row) ?? ''),
};
export const unitFields = 'unit,machine,active,sub';
/** What list-units --failed shows. */
export const failedUnitFields = 'unit,machine,active,sub,why';

function target(row: UnitFileRow, full: boolean): string {
  if (row.unit.global) return 'global';
  return row.machine === null ? '-' : machineLabel(row.machine, full);
}

export const unitFileColumns: Columns<UnitFileRow> = {
  unit: ({ unit }) => unit.name,
  hash: ({ unit }, full) => hashText(unit.hash, full),
  dstate: ({ unit }) => orDash(unit.desired),
  state: ({ unit }) => orDash(unit.current ?? ''),
  target,
  tmachine: target,
  global: ({ unit }) => String(unit.global),
  desc: ({ unit }) => orDash(unit.description),
};
export const unitFileFields = 'unit,hash,dstate,state,target';

/** An instance with the service it answers for. */
export interface ServiceRow {
  readonly service: ServiceView;
  readonly instance: InstanceView;
}

export const serviceColumns: Columns<ServiceRow> = {
  service: ({ service }) => service.name,
  port: ({ service }) => service.portName,
  address: ({ instance: { address, port } }) => `${address.includes(':') ? `[${address}]` : address}:${port}`,
  unit: ({ instance }) => instance.unit,
  machine: ({ instance }, full) => (full ? instance.machine : shortMachineId(instance.machine)),
  health: ({ instance }) => (instance.health === 'none' ? '-' : instance.health),
};
export const serviceFields = 'service,port,address,unit,health';

/** A machine's row: one that is here, or one that is gone. */
export type MachineRow = Pick<
  MachineView, 'id' | 'address' | 'hostname' | 'metadata' | 'version' | 'runner' | 'store' | 'units' | 'leader' | 'reason'
> & { readonly state: string };

export const machineColumns: Columns<MachineRow> = {
  machine: (row, full) => (full ? row.id : shortMachineId(row.id)),
  ip: (row) => orDash(row.address),
  metadata: (row) =>
    orDash(
      Object.entries(row.metadata)
        .sort(([left], [right]) => (left < right ? -1 : 1))
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
    ),
  hostname: (row) => orDash(row.hostname),
  version: (row) => orDash(row.version),
  runner: (row) => orDash(row.runner),
  store: (row) => orDash(row.store),
  units: (row) => String(row.units),
  leader: (row) => (row.leader ? 'yes' : '-'),
  state: (row) => row.state,
  reason: (row) => orDash(row.reason),
};
export const machineFields = 'machine,ip,metadata';
/** What list-machines --all shows. */
export const allMachineFields = 'machine,ip,metadata,units,state,reason';

export const portColumns: Columns<PortView> = {
  unit: (row) => row.unit,
  machine: (row, full) => (full ? row.machine : shortMachineId(row.machine)),
  address: (row) => orDash(row.address),
  name: (row) => row.name,
  port: (row) => String(row.port),
  range: (row) => printRange(row),
  since: (row) => timeText(row.sinceMs),
  pool: (row) => orDash(row.pool ?? ''),
  scope: (row) => row.scope,
  why: (row) => orDash(row.why),
};
export const portFields = 'unit,machine,address,name,port,range,since';

export const poolColumns: Columns<PoolView> = {
  pool: (row) => row.name,
  range: (row) => printRange(row),
  size: (row) => String(rangeSize(row)),
  given: (row) => String(row.given),
  since: (row) => timeText(row.changedAtMs),
  by: (row) => orDash(row.changedBy),
};
export const poolFields = 'pool,range,size,given';

/** The fields of both tables of `fleetctl ports`. */
export const portTableFields: readonly string[] = [...new Set([...Object.keys(portColumns), ...Object.keys(poolColumns)])];

function timeText(atMs: number): string {
  return atMs === 0 ? '-' : new Date(atMs).toISOString().replace(/\.\d+/, '');
}

/** Which columns to print, and how. */
export interface TableOptions {
  readonly fields: string;
  readonly full: boolean;
  readonly legend: boolean;
}

/**
 * The text of a table. Fails with fleet 1.0's sentences when the list of fields is empty or names one that does not
 * exist.
 */
export function printColumns<Row>(columns: Columns<Row>, rows: readonly Row[], options: TableOptions): Result<string> {
  if (options.fields === '') return failure('USAGE_INVALID', 'Must define output format');
  const fields = options.fields.split(',');
  const shown: Column<Row>[] = [];
  for (const field of fields) {
    const column = Object.hasOwn(columns, field) ? columns[field] : undefined;
    if (column === undefined) {
      const near = nearest(field, Object.keys(columns));
      return failure(
        'USAGE_INVALID',
        `Invalid key in output format: "${field}"${near === null ? '' : `; did you mean "${near}"?`}`,
      );
    }
    shown.push(column);
  }
  const legend = options.legend ? [fields.map((field) => field.toUpperCase())] : [];
  return success(formatTable([...legend, ...rows.map((row) => shown.map((column) => column(row, options.full)))]));
}
