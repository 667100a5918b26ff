/** Three instances behind nginx, which follows the service directory, under load: releases roll, and no request fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster, type Cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { engineCommits } from './engine-commits.ts';
import { takeLease, takeUsualLease } from './lease.ts';
import { appsText, home, portsOfApps, startApps } from './releases.ts';
import { done, writeUnit } from './units.ts';

const section = ['Port=http:20201-20210', 'HealthCheck=http://127.0.0.1:${FLEET_PORT_HTTP}/', 'HealthInterval=200ms', 'DrainTime=3s'];

const site = `server {
  listen 8088;
  location / { proxy_pass http://apps; proxy_next_upstream off; proxy_connect_timeout 5s; }
}
`;
const upstreams = `upstream apps {
{{range service apps http}}
  server {{host}}:{{port}};
{{else}}
  server 127.0.0.1:9 down;
{{end}}
}
`;

/** nginx and what keeps its upstreams, on the first machine. */
async function startNginx({ sh }: Cluster, endpoints: readonly string[] = ['unix:///run/fleet.sock']): Promise<void> {
  await sh(`cat >/etc/nginx/conf.d/site.conf <<'SITE'\n${site}SITE`);
  await sh(`cat >/root/upstreams.tmpl <<'TEMPLATE'\n${upstreams}TEMPLATE`);
  await sh('fleetctl render /root/upstreams.tmpl --to /etc/nginx/conf.d/upstreams.conf');
  await sh("systemd-run --collect --unit=balancer nginx -g 'daemon off;'");
  await sh("systemd-run --collect --unit=upstreams fleetctl " +
    `--endpoint=${endpoints.join(',')} render --watch /root/upstreams.tmpl --to /etc/nginx/conf.d/upstreams.conf --exec 'nginx -s reload'`);
  // An instance is in the directory once its check has passed, and nginx answers once it has read of one.
  await until(async () => (await sh('grep -c ":20[0-9]" /etc/nginx/conf.d/upstreams.conf || true')).trim() === '3', 'all instances are upstreams');
  await until(async () => (await sh('curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1:8088/ || true')).trim() === '200', 'nginx answers');
}

async function stopNginx({ sh }: Cluster): Promise<void> {
  await sh('systemctl stop load upstreams balancer || true; rm -f /etc/nginx/conf.d/site.conf /etc/nginx/conf.d/upstreams.conf');
}

/**
 * Eight readers, some hundred requests in a second, until they are told to end; counts what they got. They leave some of the processors to
 * the machines that are read from, which are all on this one.
 */
const load = `import collections, json, os, threading, time, urllib.request
seen, failures = collections.Counter(), []
def read():
    while not os.path.exists("/run/load-ends"):
        try:
            with urllib.request.urlopen("http://127.0.0.1:8088/", timeout=10) as answer:
                seen[answer.read().decode()] += 1
        except Exception as error:
            failures.append(str(error))
        time.sleep(0.01)
threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
with open("/run/load-result", "w") as result: json.dump({"seen": seen, "failures": failures[:20]}, result)
`;

interface Load {
  /** Requests by the version that answered. */
  readonly seen: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
}

async function startLoad({ sh }: Cluster): Promise<void> {
  await sh(`rm -f /run/load-ends /run/load-result; cat >/root/load.py <<'PROGRAM'\n${load}PROGRAM`);
  await sh('systemd-run --collect --unit=load python3 /root/load.py');
}

async function endLoad({ sh }: Cluster): Promise<Load> {
  await sh('touch /run/load-ends');
  return JSON.parse(await until(async () => sh('cat /run/load-result'), 'the load has ended')) as Load;
}

/** The machine whose engine leads. */
async function leader({ fleetctl, machines }: Cluster): Promise<Cluster['machines'][number] | null> {
  const { stdout } = await fleetctl('list-machines', '--no-legend', '--full', '--fields=machine,leader');
  const [id] = /^(\S+)\s+yes$/m.exec(stdout)?.slice(1) ?? [];
  return machines.find((machine) => machine.id === id) ?? null;
}

test('two surges in a row, under load: every request is answered', async () => {
  const made = await cluster();
  await startApps(made, 3, ...section);
  try {
    await startNginx(made);
    await startLoad(made);
    for (const version of [1, 2]) {
      await writeUnit(made, 'apps@.service', appsText(version, ...section));
      const released = await made.fleetctl('release', 'apps@.service');
      assert.equal(released.code, 0, released.stderr + released.stdout);
    }
    const { seen, failures } = await endLoad(made);
    assert.deepEqual(failures, []);
    assert.deepEqual(Object.keys(seen).sort(), ['0', '1', '2'], 'all versions have answered');
    assert.ok(Object.values(seen).reduce((sum, count) => sum + count, 0) > 1_000, 'there was load');
    assert.deepEqual([...(await portsOfApps(made)).values()].sort(), [20_207, 20_208, 20_209]);
  } finally {
    await stopNginx(made);
  }
});

/** Kills the leading fleetd with SIGKILL after each commit of an engine, until the signal ends it; answers how often it did. */
async function killAfterEachCommit(made: Cluster, leading: string, signal: AbortSignal): Promise<number> {
  let killed = 0;
  // One that was killed may have committed more before it died: it is killed again only when it leads anew.
  let dead = -1;
  for await (const commit of engineCommits(made, leading, signal)) {
    if (commit.term === dead) continue;
    const machine = made.machines.find(({ id }) => id === commit.leader);
    await machine?.sh('systemctl kill --kill-whom=main --signal=KILL fleet');
    dead = commit.term;
    killed += 1;
  }
  return killed;
}

test('the leader is killed after every commit of a surge, under load: the ports are those of an undisturbed one, and every request is answered', async () => {
  const made = await cluster();
  const anew = ['Port=http:20301-20310', ...section.slice(1)];
  // A fleetd that is killed is to be back within the lease of its machine, on a slow one too: who is lost is not listed.
  await takeLease(made.machine(home.name), 12);
  await startApps(made, 3, ...anew);
  const ending = new AbortController();
  try {
    // The balancer's own fleetd is among those that are killed: it hears of the directory through another one, too.
    const elsewhere = made.machines.slice(1, 3);
    for (const other of elsewhere) await other.sh('systemd-run --collect --unit=api-proxy --socket-property=ListenStream=49155 /lib/systemd/systemd-socket-proxyd /run/fleet.sock');
    await startNginx(made, ['unix:///run/fleet.sock', ...elsewhere.map(({ address }) => `http://${address}:49155`)]);
    await startLoad(made);
    await writeUnit(made, 'apps@.service', appsText(1, ...anew));
    const leading = await until(() => leader(made), 'an engine leads');
    const killing = killAfterEachCommit(made, leading.id, ending.signal);
    await done(made.fleetctl, 'release', '--no-block', 'apps@.service');
    const state = async (): Promise<string> =>
      (JSON.parse((await made.fleetctl('release', 'status', '--output=json', 'apps@.service')).stdout) as { readonly state: string }).state;
    await until(async () => (await state()) === 'done', 'the release is done', 120_000);
    ending.abort();
    const killed = await killing;
    const { failures } = await endLoad(made);
    assert.deepEqual(failures, []);
    assert.deepEqual([...(await portsOfApps(made)).values()].sort(), [20_304, 20_305, 20_306]);
    assert.ok(killed >= 6, `${String(killed)} leaders were killed`);
  } finally {
    ending.abort();
    await stopNginx(made);
    await takeUsualLease(made.machine(home.name));
    for (const machine of made.machines) await machine.sh('systemctl stop api-proxy.socket api-proxy.service || true');
  }
});
