/** A web service that releases move along its port range, and questions about it. */
import assert from 'node:assert/strict';
import type { Cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { writeUnit } from './units.ts';

/** The machine all instances run on. */
export const home = { name: 'm83', id: '364cd1ff8ac5dc300e15c293544f7cec', address: '10.58.9.83' } as const;

/** The text of apps@.service of a version: every instance answers with its version on the port it was given. */
export const appsText = (version: number, ...section: readonly string[]): string => `[Unit]
Description=Apps of version ${String(version)}

[Service]
Environment=VERSION=${String(version)}
ExecStart=/usr/bin/python3 /usr/local/bin/answering \${FLEET_PORT}

[X-Fleet]
MachineID=${home.id}
ReleaseMinActive=200ms
${section.join('\n')}
`;

/** Answers every request with the version it was started with; threads, so that slow readers keep nobody waiting. */
const answering = `import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["VERSION"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer.request_queue_size = 128
http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
`;

/** Puts the service's program on its machine and starts instances of version 0. */
export async function startApps(cluster: Cluster, count: number, ...section: readonly string[]): Promise<void> {
  await cluster.machine(home.name).sh(`cat >/usr/local/bin/answering <<'PROGRAM'\n${answering}PROGRAM`);
  await writeUnit(cluster, 'apps@.service', appsText(0, ...section));
  const started = await cluster.fleetctl('start', `apps@{1..${String(count)}}.service`);
  assert.equal(started.code, 0, started.stderr + started.stdout);
}

/** Releases the next version; the release has to do what was asked. Returns what it printed. */
export async function releaseApps(cluster: Cluster, version: number, ...section: readonly string[]): Promise<string> {
  await writeUnit(cluster, 'apps@.service', appsText(version, ...section));
  const released = await cluster.fleetctl('release', 'apps@.service');
  assert.equal(released.code, 0, released.stderr + released.stdout);
  return released.stdout;
}

/** Ports by instance, from what list-units says of running units. */
export async function portsOfApps({ fleetctl }: Cluster): Promise<ReadonlyMap<string, number>> {
  const { stdout } = await fleetctl('list-units', '--output=json');
  const units = JSON.parse(stdout) as readonly { readonly name: string; readonly active: string; readonly ports: Readonly<Record<string, number>> }[];
  const apps = units.filter(({ name, active }) => name.startsWith('apps@') && active === 'active');
  return new Map(apps.map(({ name, ports }) => [name, ports['http'] ?? 0]));
}

/** What answers on a port of the service's machine. */
export async function versionOn(cluster: Cluster, port: number): Promise<string> {
  return until(async () => {
    const { code, stdout } = await cluster.machine('m85').exec(['curl', '-sf', `http://${home.address}:${String(port)}/`]);
    return code === 0 ? stdout : null;
  }, `an answer on port ${String(port)}`);
}
