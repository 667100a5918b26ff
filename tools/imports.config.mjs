// Who may import whom. This table is the architecture; ARCHITECTURE.md prints it.
// area -> where it lives, which areas it may import, which npm packages, which Node built-ins.
// Test helpers (fakes live beside the interface; *.test.ts and *.contract.ts are tests) may import anything.
const ANY = ['.*'];
const NONE = [];
const PURE_NODE = ['crypto']; // createHash only: same input, same output.
const QUIET_NODE = ['crypto', 'events', 'util']; // no files, sockets, processes or timers: time comes from lib/clock.

/** @type {Record<string, {at: string, areas: string[], npm?: string[], node?: string[]}>} */
export const areas = {
  core:                { at: '^src/core/',              areas: [],                           node: PURE_NODE },
  lib:                 { at: '^src/lib/',               areas: [],                           node: [...QUIET_NODE, 'os', 'timers', 'timers/promises', 'diagnostics_channel'] },
  protocol:            { at: '^src/protocol/',          areas: [],                           node: NONE },
  store:               { at: '^src/store/[^/]+$',       areas: ['core', 'lib'],              node: QUIET_NODE },
  'store-etcd':        { at: '^src/store/etcd/',        areas: ['core', 'lib', 'store'],     npm: ['@grpc/grpc-js', '@bufbuild/protobuf'], node: ANY },
  'store-embedded':    { at: '^src/store/embedded/',    areas: ['core', 'lib', 'store'],     npm: [], node: ANY },
  runner:              { at: '^src/runner/[^/]+$',      areas: ['core', 'lib'],              node: QUIET_NODE },
  'runner-systemd':    { at: '^src/runner/systemd/',    areas: ['core', 'lib', 'runner'],    npm: ['@httptoolkit/dbus-native'], node: ANY },
  'runner-supervisor': { at: '^src/runner/supervisor/', areas: ['core', 'lib', 'runner'],    node: ANY },
  prober:              { at: '^src/prober/',            areas: ['core'],                     node: ANY },
  dns:                 { at: '^src/dns/',               areas: ['core', 'lib'],              npm: ['dns-packet'], node: ANY },
  host:                { at: '^src/host/',              areas: ['core', 'lib'],              node: ANY },
  engine:              { at: '^src/engine/',            areas: ['core', 'lib', 'store'],           node: QUIET_NODE },
  agent:               { at: '^src/agent/',             areas: ['core', 'lib', 'store', 'runner'], node: QUIET_NODE },
  api:                 { at: '^src/api/',               areas: ['core', 'lib', 'protocol', 'store'], npm: ['fastify'], node: ANY },
  client:              { at: '^src/client/',            areas: ['lib', 'protocol'],          node: ANY },
  ssh:                 { at: '^src/ssh/',               areas: ['lib'],                      npm: ['ssh2'], node: ANY },
  cli:                 { at: '^src/cli/',               areas: ['core', 'lib', 'protocol', 'client', 'ssh'], node: ANY },
  config:              { at: '^src/config(\\.test)?\\.ts$',       areas: ['core', 'lib'],              node: ['util'] },
  fleetd:              { at: '^src/fleetd(\\.ts$|/)',       areas: ['config', 'core', 'lib', 'host', 'store', 'store-etcd', 'store-embedded', 'runner', 'runner-systemd', 'runner-supervisor', 'prober', 'dns', 'engine', 'agent', 'api'], node: ANY },
  fleetctl:            { at: '^src/fleetctl(\\.ts$|/)',     areas: ['core', 'lib', 'client', 'cli', 'ssh', 'store', 'store-etcd', 'api'], node: ANY },
  sim:                 { at: '^sim/',                   areas: ['core', 'lib', 'store', 'runner', 'engine', 'agent', 'api'], node: QUIET_NODE },
  test:                { at: '^test/',                  areas: ['*'],         npm: ANY, node: ANY },
  bench:               { at: '^bench/',                 areas: ['*'],         npm: ANY, node: ANY },
  tools:               { at: '^tools/',                 areas: ['*'],         npm: ANY, node: ANY },
};

const LOCAL = '^(src|sim|test|bench|tools)/';
const TEST_FILE = '\\.(test|contract)\\.ts$';
const NPM_TYPES = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-bundled', 'npm-no-pkg', 'npm-unknown', 'unknown'];

const rulesOf = (name, { at, areas: may, npm = [], node = [] }) => {
  const from = { path: at, pathNot: TEST_FILE };
  const mayPaths = may.includes('*') ? [LOCAL] : [at, ...may.map((other) => areas[other].at)];
  return [
    { name: `${name}-imports`, severity: 'error', from,
      comment: `${name}/ may import only: ${[name, ...may].join(', ')}`,
      to: { path: LOCAL, pathNot: mayPaths } },
    { name: `${name}-npm`, severity: 'error', from,
      comment: `${name}/ may use these npm packages only: ${npm.join(', ') || 'none'}`,
      to: { dependencyTypes: NPM_TYPES, ...(npm.length ? { pathNot: npm.map((p) => (p === '.*' ? p : `(^|node_modules/)${p}(/|$)`)) } : {}) } },
    { name: `${name}-node`, severity: 'error', from,
      comment: `${name}/ may use these Node built-ins only: ${node.join(', ') || 'none'}`,
      to: { dependencyTypes: ['core'], ...(node.length ? { pathNot: node.map((p) => (p === '.*' ? p : `^(node:)?${p}$`)) } : {}) } },
  ];
};

export default {
  forbidden: [
    ...Object.entries(areas).flatMap(([name, area]) => rulesOf(name, area)),
    { name: 'no-cycles', severity: 'error', comment: 'A cycle means two files are one file.', from: {}, to: { circular: true } },
    { name: 'no-orphans', severity: 'error', comment: 'Dead file: nothing imports it and it is no entry point.',
      from: { orphan: true, pathNot: ['^src/fleet(d|ctl)\\.ts$', TEST_FILE, '^(test|bench|tools|sim)/', '\\.d\\.ts$'] }, to: {} },
    { name: 'no-test-code-in-product', severity: 'error', comment: 'Only tests import tests.',
      from: { pathNot: [TEST_FILE, '^(test|bench|sim|tools)/'] }, to: { path: [TEST_FILE, '^(test|sim|bench|tools)/'] } },
    { name: 'every-file-has-an-area', severity: 'error', comment: 'New folder? Add it to the table above and to ARCHITECTURE.md.',
      from: { path: LOCAL, pathNot: Object.values(areas).map((area) => area.at) }, to: {} },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    builtInModules: { add: ['node:sqlite'] }, // dependency-cruiser strips the prefix, and there is no built-in `sqlite`.
    tsPreCompilationDeps: true, // type-only imports count: a type from an adapter is still a dependency on it.
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'], extensions: ['.ts', '.mjs', '.js'] },
  },
};
