/** Whatever a person gets wrong is answered by one line that names it, and nothing comes of it in the cluster. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { cluster, type Cluster } from './cluster.ts';

/** A command line for the shell, how it has to end, and what its only line on stderr has to say. */
interface Slip {
  readonly command: string;
  readonly code: number;
  readonly says: RegExp;
}

const service = (...fleetOptions: readonly string[]): string =>
  ['[Service]', 'ExecStart=/bin/sleep infinity', '[X-Fleet]', ...fleetOptions].join('\n');

/** Files in the home directory of the first machine. */
const files: Readonly<Record<string, string>> = {
  'good.service': service(),
  'template@.service': service(),
  // Both misspelt keys stand in a document of a user of fleet 1.0, which ignored them.
  'gloable.service': service('Gloable=true'),
  'matadata.service': service('Matadata="role=default"'),
  'flag.service': service('Global=perhaps'),
  'excluding.service': service('Global=true', 'MachineID=e3583575'),
  'nothing.service': '[Unit]\nDescription=No ExecStart',
  'poolless.service': service('Port=nosuchpool'),
  'prose.service': 'this is no unit file',
  'misspelt.conf': 'metadta="role=default"',
  'wrong.conf': 'verbosity=1\nagent_ttl=soon',
  'prose.conf': 'hello',
  'endpoints.conf': 'etcd_servers=["10.58.0.1:2379"]',
};

const fleetctlSlips: readonly Slip[] = [
  { command: 'fleetctl frobnicate', code: 2, says: /"frobnicate"/ },
  { command: 'fleetctl starr good', code: 2, says: /"starr".*"start"/ },
  { command: 'fleetctl list-units --colour', code: 2, says: /--colour/ },
  { command: 'fleetctl start --block-attempts=many good', code: 2, says: /"many".*--block-attempts/ },
  { command: 'fleetctl --driver=consul list-units', code: 2, says: /"consul"/ },
  { command: 'fleetctl --tunnel=core@10.58.9.83 list-units', code: 2, says: /core@10\.58\.9\.83/ },
  { command: 'fleetctl --tunnel=10.58.9.83 list-units', code: 1, says: /SSH_AUTH_SOCK/ },
  { command: 'fleetctl ssh m83', code: 1, says: /could not find matching unit or machine/ },
  { command: 'fleetctl import', code: 2, says: /--from-etcd2=URL or --from-api=URL/ },
  { command: 'fleetctl import --from-etcd2=http://10.58.0.1:1', code: 1, says: /http:\/\/10\.58\.0\.1:1.*refused/ },
  { command: 'fleetctl import --from-etcd2=http://10.58.0.1:2379', code: 1, says: /\/_coreos\.com\/fleet.*--from-key-prefix/ },
  { command: 'fleetctl fd-forward /nowhere.sock', code: 1, says: /\/nowhere\.sock/ },
  { command: 'fleetctl list-units --fields=unit,colour', code: 1, says: /"colour"/ },
  { command: 'fleetctl start "a b.service"', code: 1, says: /a b\.service.*' '/ },
  { command: 'fleetctl submit good.servce', code: 1, says: /good\.servce/ },
  { command: 'fleetctl start "[a.service"', code: 1, says: /"\[a\.service"/ },
  { command: 'fleetctl start "app@{1..99999}"', code: 1, says: /"app@\{1\.\.99999\}".*10000/ },
  { command: 'fleetctl start missing.service', code: 1, says: /missing\.service/ },
  { command: 'fleetctl start missing@1.service', code: 1, says: /missing@\.service/ },
  { command: 'fleetctl start template@.service', code: 1, says: /template@\.service/ },
  { command: 'fleetctl load template@.service', code: 1, says: /template@\.service/ },
  { command: 'fleetctl status missing.service', code: 1, says: /missing\.service/ },
  { command: 'fleetctl journal missing.service', code: 1, says: /missing\.service/ },
  { command: 'fleetctl cat missing.service', code: 1, says: /missing\.service/ },
  { command: 'fleetctl explain missing.service', code: 1, says: /missing\.service/ },
  { command: 'fleetctl submit gloable.service', code: 1, says: /gloable\.service:4: error: .*"Gloable".*"Global"/ },
  { command: 'fleetctl start gloable.service', code: 1, says: /gloable\.service:4: error: .*"Gloable".*"Global"/ },
  { command: 'fleetctl start matadata.service', code: 1, says: /matadata\.service:4: error: .*"Matadata".*"MachineMetadata"/ },
  { command: 'fleetctl start flag.service', code: 1, says: /flag\.service.*Global=perhaps/ },
  { command: 'fleetctl start excluding.service', code: 1, says: /excluding\.service.*MachineID cannot be used with Global/ },
  { command: 'fleetctl start nothing.service', code: 1, says: /nothing\.service.*ExecStart/ },
  { command: 'fleetctl start poolless.service', code: 1, says: /poolless\.service: Port=nosuchpool: there is no pool.*fleetctl ports set nosuchpool/ },
  { command: 'fleetctl start prose.service', code: 1, says: /prose\.service:1:1: error: / },
  { command: 'fleetctl start good.service gloable.service', code: 1, says: /gloable\.service.*"Gloable"/ },
  // fleet 1.0's whole sentence.
  { command: 'fleetctl --endpoint=10.58.9.85:49153 submit good', code: 1, says: /^Unable to initialize client: URL scheme undefined$/ },
  { command: 'fleetctl --endpoint=http://10.58.9.85:1 submit good', code: 1, says: /http:\/\/10\.58\.9\.85:1.*refused/ },
  { command: 'fleetctl --endpoint=unix:///nowhere.sock submit good', code: 1, says: /unix:\/\/\/nowhere\.sock/ },
  { command: 'fleetctl --driver=etcd --endpoint=http://10.58.0.1:1 submit good', code: 1, says: /http:\/\/10\.58\.0\.1:1.*REFUSED/i },
  { command: 'fleetctl --driver=etcd --endpoint=10.58.0.1:2379 submit good', code: 1, says: /"10\.58\.0\.1:2379"/ },
];

const fleetdSlips: readonly Slip[] = [
  { command: '/opt/fleet/fleetd start', code: 2, says: /"start".*fleetctl/ },
  { command: '/opt/fleet/fleetd --colour', code: 2, says: /'--colour'/ },
  { command: '/opt/fleet/fleetd --config missing.conf', code: 1, says: /missing\.conf/ },
  { command: '/opt/fleet/fleetd --config misspelt.conf', code: 1, says: /misspelt\.conf line 1.*"metadta".*metadata/ },
  { command: '/opt/fleet/fleetd --config wrong.conf', code: 1, says: /wrong\.conf line 2.*agent_ttl=soon/ },
  { command: '/opt/fleet/fleetd --config prose.conf', code: 1, says: /prose\.conf line 1.*"hello"/ },
  { command: '/opt/fleet/fleetd --config endpoints.conf', code: 1, says: /"10\.58\.0\.1:2379"/ },
  { command: 'FLEET_AGENT_TTL=soon /opt/fleet/fleetd --config /dev/null', code: 1, says: /FLEET_AGENT_TTL.*soon/ },
];

/** A request to the API of the first machine, its status, and what the answer's message says. */
const requests: readonly { readonly curl: string; readonly status: number; readonly says: RegExp }[] = [
  { curl: '-X PUT http://fleet/fleet/v1/units/a.service -H "Content-Type: application/json" -d "{"', status: 400, says: /decode body/ },
  { curl: '-X PUT http://fleet/fleet/v1/units/a.service -H "Content-Type: text/plain" -d "{}"', status: 415, says: /application\/json/ },
  { curl: '-X PUT http://fleet/fleet/v1/units/a.service -H "Content-Type: application/json" -d \'{"desiredState":"running"}\'', status: 400, says: /running/ },
  { curl: '-X POST http://fleet/fleet/v2/apply -H "Content-Type: application/json" -d "{"', status: 400, says: /not JSON/ },
  { curl: '-X POST http://fleet/fleet/v2/apply -H "Content-Type: application/json" -d @large.json', status: 413, says: /8388608/ },
  { curl: 'http://fleet/fleet/v2/units/missing.service', status: 404, says: /missing\.service/ },
  { curl: '-X DELETE http://fleet/fleet/v2/units', status: 405, says: /DELETE/ },
  { curl: 'http://fleet/fleet/v2/colours', status: 404, says: /colours/ },
  { curl: 'http://fleet/fleet/v1/units?nextPageToken=x', status: 400, says: /^illegal base64 data/ },
];

// A suite, so that its preparation is its own: the files of a run share one process.
describe('bad input', () => {
  let shared: Cluster;

  before(async () => {
    shared = await cluster();
    for (const [name, text] of Object.entries(files)) await shared.sh(`cat >'${name}' <<'END'\n${text}\nEND`);
  });

  for (const { command, code, says } of [...fleetctlSlips, ...fleetdSlips]) {
    test(`${command} ends with ${code} and one line, and creates nothing`, async () => {
      const ended = await shared.machine('m85').exec(['bash', '-c', `cd /root\ntimeout 20 env ${command}`]);
      assert.equal(ended.code, code, `${ended.stderr}${ended.stdout}`);
      assert.match(ended.stderr, /^[^\n]+\n$/);
      assert.match(ended.stderr.trimEnd(), says);
      assert.doesNotMatch(ended.stderr, /internal error/);
      assert.equal((await shared.fleetctl('list-unit-files', '--no-legend')).stdout, '');
    });
  }

  test('a fleetd that cannot listen ends with 1, and its last line names the address', async () => {
    for (const [option, says] of [
      ['FLEET_LISTEN=/missing/directory/fleet.sock', /cannot listen on \/missing\/directory\/fleet\.sock/],
      ['FLEET_LISTEN=nonsense', /listen=nonsense is neither a path nor host:port/],
      ['FLEET_LISTEN=0.0.0.0:49153', /listen=0\.0\.0\.0:49153.*in clear.*api_insecure=true/],
      ['FLEET_PEER_LISTEN=nonsense', /peer_listen=nonsense is not of the form host:port/],
    ] as const) {
      const data = `/root/fleet-${String(says).length}`;
      const ended = await shared.machine('m85').exec(['bash', '-c',
        `timeout 20 env FLEET_STORE=embedded FLEET_DATA_DIR=${data} FLEET_RUNNER=supervisor ${option} /opt/fleet/fleetd --config /dev/null`]);
      assert.equal(ended.code, 1, `${option}: ${ended.stderr}`);
      assert.match(ended.stderr.trimEnd().split('\n').at(-1) ?? '', says);
      await shared.sh(`rm -rf ${data}`);
    }
  });

  test('the API answers each malformed request with its status and a sentence, and creates nothing', async () => {
    await shared.sh('head -c 9000000 /dev/zero | tr "\\0" " " >large.json');
    for (const { curl, status, says } of requests) {
      const answer = await shared.sh(`curl -s -w '\\n%{http_code}' --unix-socket /run/fleet.sock ${curl}`);
      const [body = '', code] = answer.trimEnd().split(/\n(?=\d+$)/);
      assert.equal(Number(code), status, `${curl}: ${answer}`);
      const { error } = JSON.parse(body) as { readonly error: { readonly code: number; readonly message: string } };
      assert.equal(error.code, status);
      assert.match(error.message, says, curl);
      assert.ok(!error.message.includes('\n'), curl);
    }
    await shared.sh('rm large.json');
    assert.equal((await shared.fleetctl('list-unit-files', '--no-legend')).stdout, '');
  });
});
