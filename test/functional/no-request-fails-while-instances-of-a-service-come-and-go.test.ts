/**
 * A real nginx in front of three instances, kept in step by `fleetctl render` as a global unit: while instances are stopped,
 * restarted, destroyed and started, no request fails.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { cluster, type Cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { done, startUnit, writeUnit } from './units.ts';

/** Takes a while for each request, and dies at once when it is told to: what is sent to it then is lost. */
const app = `import sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != '/health': time.sleep(0.1)
        body = ('app ' + sys.argv[2]).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *rest): pass
ThreadingHTTPServer(('', int(sys.argv[1])), Handler).serve_forever()
`;
const appUnit = `[Service]
ExecStart=/usr/bin/python3 /opt/app.py \${FLEET_PORT_HTTP} %i

[X-Fleet]
Port=http:20001-20010
HealthCheck=http://127.0.0.1:\${FLEET_PORT_HTTP}/health
HealthInterval=500ms
DrainTime=3s
`;
// nginx tries no second server and gives none up: a request that reaches one that is gone fails.
const nginxConf = `events {}
pid /run/proxy.pid;
http {
  access_log off;
  include /etc/nginx/upstreams.conf;
  server { listen 8088; location / { proxy_pass http://apps; proxy_next_upstream off; proxy_connect_timeout 2s; } }
}
`;
const template = `upstream apps {
  {{range service apps http}}
  server {{host}}:{{port}} max_fails=0;  # {{unit}}
  {{else}}
  server 127.0.0.1:9 down;
  {{end}}
}
`;
const proxyUnit = `[Service]
ExecStartPre=/usr/local/bin/fleetctl render /etc/nginx/upstreams.tmpl --to /etc/nginx/upstreams.conf
ExecStart=/usr/sbin/nginx -c /etc/nginx/proxy.conf -g 'daemon off;'

[X-Fleet]
Global=true
`;
const upstreamsUnit = `[Service]
ExecStart=/usr/local/bin/fleetctl render --watch /etc/nginx/upstreams.tmpl --to /etc/nginx/upstreams.conf --exec 'kill -HUP $(cat /run/proxy.pid)'
Restart=always

[X-Fleet]
Global=true
`;

async function prepare({ machines }: Cluster): Promise<void> {
  const files = { '/opt/app.py': app, '/etc/nginx/proxy.conf': nginxConf, '/etc/nginx/upstreams.tmpl': template };
  for (const machine of machines) {
    for (const [path, text] of Object.entries(files)) await machine.sh(`cat >${path} <<'TEXT'\n${text}TEXT`);
  }
}

interface Load {
  /** How many requests were answered by each instance, since the load began. */
  answered(): ReadonlyMap<string, number>;
  failures(): readonly string[];
  stop(): Promise<void>;
}

/** Four clients that ask the proxy on `address` again and again, each time over a new connection, until stopped. */
function load({ lab }: Cluster, address: string): Load {
  const script = `const { get } = require('node:http');
    const ask = () => new Promise((resolve) => {
      const request = get({ host: '${address}', port: 8088, path: '/', agent: false, timeout: 10000 }, (response) => {
        let body = '';
        response.on('data', (chunk) => { body += chunk; }).on('end', () => resolve(response.statusCode === 200 ? body : 'FAILED ' + response.statusCode));
      });
      request.on('timeout', () => request.destroy(new Error('no answer'))).on('error', (error) => resolve('FAILED ' + error.message));
    });
    for (let client = 0; client < 4; client += 1) (async () => { for (;;) console.log(await ask()); })();`;
  const [program = '', ...args] = [...lab.inHub, process.execPath, '-e', script];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const counts = new Map<string, number>();
  const failures: string[] = [];
  createInterface(child.stdout).on('line', (line) => {
    if (line.startsWith('FAILED')) failures.push(line);
    else counts.set(line, (counts.get(line) ?? 0) + 1);
  });
  return {
    answered: () => new Map(counts),
    failures: () => failures,
    async stop() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

async function listed({ fleetctl }: Cluster): Promise<readonly string[]> {
  const { stdout } = await fleetctl('services', 'apps', '--no-legend', '--fields=unit');
  return stdout.trim().split('\n');
}

test('nginx behind fleetctl render answers every request while instances are stopped, restarted, destroyed and started', async () => {
  const shared = await cluster();
  const { fleetctl, machine } = shared;
  await prepare(shared);
  await writeUnit(shared, 'apps@.service', appUnit);
  const started = await fleetctl('start', 'apps@{1..3}.service');
  assert.equal(started.code, 0, started.stderr);
  await until(async () => (await listed(shared)).length === 3, async () => `three are listed: ${JSON.stringify(await fleetctl('list-units', '--output=json'))}`);
  await startUnit(shared, 'proxy.service', proxyUnit);
  await startUnit(shared, 'upstreams.service', upstreamsUnit);
  const { address } = machine('m85');
  await until(async () => (await shared.lab.hub(['curl', '-sf', `http://${address}:8088/`])).stdout.startsWith('app '),
    async () => machine('m85').sh('journalctl -u proxy -u upstreams -n 30 --no-pager; cat /etc/nginx/upstreams.conf'));

  const clients = load(shared, address);
  try {
    /** Waits until those instances, and no others, answer all requests. */
    const answeredBy = async (...instances: readonly string[]): Promise<void> => {
      const wanted = instances.map((instance) => `app ${instance}`).sort().join();
      await until(async () => {
        const before = clients.answered();
        await until(async () => [...clients.answered()].reduce((sum, [, count]) => sum + count, 0)
          > [...before].reduce((sum, [, count]) => sum + count, 0) + 40, 'requests are answered');
        const now = [...clients.answered()].filter(([name, count]) => count > (before.get(name) ?? 0)).map(([name]) => name);
        return now.sort().join() === wanted;
      }, async () => `${wanted} answer: ${[...clients.answered()].join(' ')}, ${clients.failures().join()} ${JSON.stringify(await listed(shared))}`);
    };
    await answeredBy('1', '2', '3');
    const stopping = fleetctl('stop', 'apps@1.service');
    const draining = await until(async () => {
      const { stdout } = await fleetctl('list-units', '--no-legend', '--fields=unit,active,health');
      return /^apps@1\.service\t+active\t+draining$/m.test(stdout);
    }, 'the instance drains while it is active');
    assert.ok(draining);
    await done(fleetctl, 'start', 'apps@4.service');
    const stopped = await stopping;
    assert.equal(stopped.code, 0, stopped.stderr);
    await answeredBy('2', '3', '4');
    // The renderer of the machine that is asked outlives its fleetd.
    await machine('m85').sh('systemctl restart fleet');
    await done(fleetctl, 'restart', 'apps@2.service');
    await done(fleetctl, 'destroy', '--block-attempts=20', 'apps@3.service');
    await answeredBy('2', '4');
    await done(fleetctl, 'start', 'apps@1.service');
    await answeredBy('1', '2', '4');
  } finally {
    await clients.stop();
  }
  assert.deepEqual(clients.failures(), []);
});

test('the directory is told to Prometheus and to DNS resolvers', async () => {
  const shared = await cluster();
  const { fleetctl, machine, sh, lab } = shared;
  await prepare(shared);
  await writeUnit(shared, 'apps@.service', appUnit);
  await done(fleetctl, 'start', 'apps@{1..3}.service');
  await until(async () => (await listed(shared)).length === 3, 'three are listed');
  const targets = JSON.parse(await sh('curl -sf --unix-socket /run/fleet.sock http://localhost/fleet/v2/prometheus-sd')) as
    readonly { readonly targets: readonly string[]; readonly labels: Readonly<Record<string, string>> }[];
  assert.deepEqual(targets.map(({ labels }) => labels['__meta_fleet_unit']), ['apps@1.service', 'apps@2.service', 'apps@3.service']);
  const server = machine('m83');
  await server.sh('cp /etc/fleet/fleet.conf /root/fleet.conf; sed -i "1i dns_listen=:8600" /etc/fleet/fleet.conf; systemctl restart fleet');
  try {
    const script = `const resolver = new (require('node:dns/promises').Resolver)({ timeout: 1000, tries: 1 });
      resolver.setServers(['${server.address}:8600']);
      Promise.all([resolver.resolveSrv('_http._tcp.apps.fleet'), resolver.resolve4('apps.fleet')]).then((found) => console.log(JSON.stringify(found)));`;
    const found = await until(async () => {
      const asked = await lab.hub([process.execPath, '-e', script]);
      return asked.code === 0 && asked.stdout !== '' ? asked.stdout : null;
    }, async () => `DNS answers: ${await server.sh('journalctl -u fleet -n 20 --no-pager')}`);
    const [pointers, addresses] = JSON.parse(found) as [{ name: string; port: number }[], string[]];
    const asTold = targets.map(({ targets: [target = ''] }) => target);
    assert.deepEqual(pointers.map(({ port }) => port).sort(), asTold.map((target) => Number(target.split(':')[1])).sort());
    assert.deepEqual(new Set(addresses), new Set(asTold.map((target) => target.split(':')[0])));
  } finally {
    await server.sh('mv /root/fleet.conf /etc/fleet/fleet.conf; systemctl restart fleet');
  }
});
