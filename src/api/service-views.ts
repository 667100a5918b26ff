/** The service directory as API v2 shows it, and in the formats that others read. */
import type { Service } from '../core/directory.ts';
import type { PrometheusTargets, ServiceView } from '../protocol/v2.ts';

export function describeServices(services: readonly Service[]): readonly ServiceView[] {
  return services.map(({ name, portName, instances }) => ({
    name, portName,
    instances: instances.map(({ unit, machine, address, port, health, sinceMs }) => ({ unit, machine, address, port, health, sinceMs })),
  }));
}

/** HOST:PORT, an IPv6 address in brackets (RFC 3986 section 3.2.2). */
function hostAndPort(address: string, port: number): string {
  return `${address.includes(':') ? `[${address}]` : address}:${String(port)}`;
}

/**
 * Targets for Prometheus (https://prometheus.io/docs/prometheus/latest/http_sd/): a group for each instance, because labels
 * belong to groups. Labels that begin with __meta_ are there while targets are relabelled and are dropped afterwards.
 */
export function prometheusTargets(services: readonly Service[]): readonly PrometheusTargets[] {
  return services.flatMap(({ name, portName, instances }) => instances.map(({ unit, machine, address, port, health }) => ({
    targets: [hostAndPort(address, port)],
    labels: {
      __meta_fleet_service: name, __meta_fleet_port_name: portName, __meta_fleet_unit: unit, __meta_fleet_machine: machine,
      __meta_fleet_health: health,
    },
  })));
}
