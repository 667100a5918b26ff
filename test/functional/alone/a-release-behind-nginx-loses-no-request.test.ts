/** Three instances behind nginx, which follows the service directory, under load: releases roll, and no request fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster, configuration, type Cluster } from '../cluster.ts';
import { until } from '../lab/command.ts';
import { openLateAnswers } from '../lab/late-answers.ts';
import { engineCommits } from '../engine-commits.ts';
import { appsText, portsOfApps, startApps } from '../releases.ts';
import { machineIds, mainPid, writeUnit } from '../units.ts';

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
            failures.append(time.strftime("%T ") + str(error))
        time.sleep(0.01)
threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
with open("/run/load-result.part", "w") as result: json.dump({"seen": seen, "failures": failures[:20]}, result)
os.rename("/run/load-result.part", "/run/load-result")
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

/** How late every fleetd hears what the store has answered: ten times what it takes to kill one. */
const lateMs = 500;

/**
 * Has every fleetd of the cluster ask the store there, with the lease time that is the default: one that is killed is back in time. Null: as usual.
 * They leave the cluster and join it again, because a lease keeps its time for as long as it lives.
 */
async function askStoreAt(made: Cluster, endpoint: string | null): Promise<void> {
  await Promise.all(made.machines.map(async (machine) => {
    const usual = configuration(machine.address);
    const lines = endpoint === null ? usual : usual.replace(/(?<=etcd_servers=\[")[^"]*/, endpoint).replace(/^agent_ttl=.*\n/m, '');
    await machine.sh(`systemctl stop fleet.service\ncat >/etc/fleet/fleet.conf <<'CONF'\n${lines}\nCONF\nsystemctl start fleet.service`);
  }));
  await until(async () => (await machineIds(made)).length === made.machines.length, 'all machines are in the cluster again');
}

/**
 * Kills the leading fleetd with SIGKILL after each commit, before it hears of it, and ends its lease so that another one leads at once, until the
 * signal ends that. Answers with the machines that led and how much was committed while each did.
 */
async function killAfterEveryCommit(made: Cluster, signal: AbortSignal): Promise<readonly { readonly machine: string; commits: number }[]> {
  const terms: { readonly machine: string; commits: number }[] = [];
  let kill = (): Promise<unknown> => Promise.resolve();
  for await (const told of engineCommits(made, signal)) {
    const term = terms.at(-1);
    if (told.kind === 'leads') {
      const machine = made.machines.find(({ id }) => id === told.machine);
      assert.ok(machine !== undefined, told.machine);
      const pid = mainPid(machine, 'fleet.service');
      kill = async () => {
        await machine.exec(['kill', '-9', String(await pid)]);
        await made.lab.hub(['etcdctl', `--endpoints=${made.etcd.endpoint}`, 'lease', 'revoke', told.lease]);
      };
      terms.push({ machine: machine.name, commits: 0 });
    } else if (term !== undefined) {
      term.commits += 1;
      if (term.commits === 1) await kill();
    }
  }
  return terms.filter(({ commits }) => commits > 0);
}

test('the leader is killed after every commit of a surge, under load: the ports are those of an undisturbed one, and every request is answered', async () => {
  const made = await cluster();
  const anew = ['Port=http:20301-20310', ...section.slice(1)];
  const ending = new AbortController();
  const late = await openLateAnswers(made.lab, made.etcd.endpoint, { port: 2378, lateMs });
  // Each of the balancer's fleetds may be the one that is killed: it hears of the directory through several.
  const elsewhere = made.machines.slice(1, 3);
  try {
    await askStoreAt(made, late.endpoint);
    await startApps(made, 3, ...anew);
    for (const other of elsewhere) await other.sh('systemd-run --collect --unit=api-proxy --socket-property=ListenStream=49155 /lib/systemd/systemd-socket-proxyd /run/fleet.sock');
    await startNginx(made, ['unix:///run/fleet.sock', ...elsewhere.map(({ address }) => `http://${address}:49155`)]);
    await startLoad(made);
    await writeUnit(made, 'apps@.service', appsText(1, ...anew));
    const killing = killAfterEveryCommit(made, ending.signal);
    // The fleetd that is asked may be killed after this commit, too, and then nobody answers.
    await made.fleetctl('release', '--no-block', 'apps@.service');
    const state = async (): Promise<string> =>
      (JSON.parse((await made.fleetctl('release', 'status', '--output=json', 'apps@.service')).stdout) as { readonly state: string }).state;
    await until(async () => (await state()) === 'done', 'the release is done', 300_000);
    ending.abort();
    const terms = await killing;
    const { seen, failures } = await endLoad(made);
    assert.deepEqual(failures, [], await made.sh('tail -n 5 /var/log/nginx/error.log'));
    assert.deepEqual(Object.keys(seen).sort(), ['0', '1'], 'both versions have answered');
    assert.deepEqual([...(await portsOfApps(made)).values()].sort(), [20_304, 20_305, 20_306]);
    assert.deepEqual(terms.filter(({ commits }) => commits !== 1), [], 'each commit was the last of its leader');
    assert.ok(terms.length >= 12, `${String(terms.length)} leaders were killed`);
    assert.ok(new Set(terms.map(({ machine }) => machine)).size > 1, 'engines took over from one another');
  } finally {
    ending.abort();
    await stopNginx(made);
    for (const machine of elsewhere) await machine.sh('systemctl stop api-proxy.socket api-proxy.service || true');
    await askStoreAt(made, null);
    await late.close();
  }
});
