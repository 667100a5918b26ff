import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDurationMs, parseMetadata, readConfig, type Config } from './config.ts';

const where = { dataDirectory: '/var/lib/fleet', unitsDirectory: '/run/fleet/units/' };
const read = (text: string, environment: Record<string, string> = {}): Config => {
  const config = readConfig({ file: { name: 'fleet.conf', text }, environment, defaults: where });
  assert.ok(config.ok, config.ok ? '' : config.failure.message);
  return config.value;
};
const refused = (text: string, environment: Record<string, string> = {}): string => {
  const config = readConfig({ file: { name: 'fleet.conf', text }, environment, defaults: where });
  assert.ok(!config.ok);
  return config.failure.message;
};

test('a configuration of fleet 1.0 is understood as it stands', () => {
  const config = read([
    '# comment', 'verbosity=1', 'etcd_servers=["http://192.0.2.12:4001","http://192.0.2.13:4001"]', 'etcd_request_timeout=1.5',
    'etcd_key_prefix=/fleet', 'public_ip="172.16.0.1"', 'metadata="region=us-west,az=us-west-1"', 'agent_ttl="5s"',
    'engine_reconcile_interval=2', 'verify_units=true', 'authorized_keys_file=/tmp/x', 'token_limit=50', 'disable_engine=false',
  ].join('\n'));
  assert.deepEqual(config.etcdServers, ['http://192.0.2.12:4001', 'http://192.0.2.13:4001']);
  assert.equal(config.etcdRequestTimeoutMs, 1_500);
  assert.equal(config.publicIp, '172.16.0.1');
  assert.deepEqual(config.metadata, { region: 'us-west', az: 'us-west-1' });
  assert.equal(config.agentTtlMs, 5_000);
  assert.equal(config.tokenLimit, 50);
  assert.deepEqual(config.ignored, ['engine_reconcile_interval', 'verify_units', 'authorized_keys_file']);
});

test('the environment wins over the file', () => {
  assert.equal(read('agent_ttl=30s', { FLEET_AGENT_TTL: '10s' }).agentTtlMs, 10_000);
  assert.deepEqual(read('', { FLEET_ETCD_SERVERS: 'http://127.0.0.1:2379,http://127.0.0.1:4001' }).etcdServers?.length, 2);
});

test('metadata is read in every form people write it', () => {
  const table: readonly (readonly [string, Record<string, string>])[] = [
    ['role=default', { role: 'default' }],
    ["'role=default'", { role: 'default' }],
    ['"role=default"', { role: 'default' }],
    ['"role=default","10.58.9.83"', { role: 'default', '10.58.9.83': '10.58.9.83' }],
    ['AppServerMachineCluster,10.58.9.83', { AppServerMachineCluster: 'AppServerMachineCluster', '10.58.9.83': '10.58.9.83' }],
    ['[a=1, b="2"]', { a: '1', b: '2' }],
    ['', {}],
  ];
  for (const [text, pairs] of table) {
    const metadata = parseMetadata(text);
    assert.ok(metadata.ok, text);
    assert.deepEqual(metadata.value, pairs, text);
  }
});

test('a wrong option is refused in one line that names the place, the text and what is right', () => {
  const table: readonly (readonly [string, RegExp])[] = [
    ['agent_ttl=soon', /^fleet\.conf line 1: agent_ttl=soon is wrong: expected a time from 2s to 3600s/],
    ['\nagenttl=5s', /^fleet\.conf line 2: there is no option "agenttl"; did you mean agent_ttl\?$/],
    ['bogus=1', /there is no option "bogus"; see docs\/fleetd\.md/],
    ['no equals sign', /"no equals sign" is not of the form option=value/],
    ['store=mysql', /store=mysql is wrong: expected one of auto, etcd, embedded/],
    ['etcd_servers=ftp://x', /wrong: "ftp:\/\/x"/],
    ['token_limit=0', /a whole number from 1 to 65535/],
    ['disable_engine=perhaps', /true or false/],
    ['metadata=a b=c', /wrong: "a b=c"/],
    ['reserved_memory=lots', /reserved_memory=lots is wrong: expected an amount of memory such as 512M, or a share of the machine such as 5%$/],
    ['reserved_cpu=50%', /reserved_cpu=50% is wrong: expected a number of CPUs such as 1 or 0\.5$/],
  ];
  for (const [text, message] of table) assert.match(refused(text), message);
  assert.match(refused('', { FLEET_RUNNER: 'docker' }), /^FLEET_RUNNER: runner=docker is wrong/);
});

test('a reserve is an amount or a share of memory, and CPUs', () => {
  const { reservedMemory, reservedCpuMillis } = read('reserved_memory="512M"\nreserved_cpu=0.5');
  assert.deepEqual([reservedMemory, reservedCpuMillis], [{ bytes: 512 * 2 ** 20 }, 500]);
  assert.deepEqual(read('reserved_memory=5%').reservedMemory, { basisPoints: 500 });
});

test('durations are Go\'s or plain seconds', () => {
  assert.deepEqual(['30s', '1m30s', '500ms', '1.5', '2h', '5', 'x', '', '5 s'].map(parseDurationMs),
    [30_000, 90_000, 500, 1_500, 7_200_000, 5_000, null, null, null]);
});
