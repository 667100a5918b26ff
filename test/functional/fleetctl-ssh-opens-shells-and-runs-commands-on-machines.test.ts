/** `fleetctl ssh` against a real sshd: commands, exit codes, the terminal, the agent, and keys of hosts. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { cluster, type Cluster } from './cluster.ts';
import type { CommandResult } from './lab/command.ts';
import { agentSocket, startAgent, startSshd, stopAgent, stopSshd } from './ssh.ts';
import { sleeper, startUnit } from './units.ts';

/** Types `input` at a terminal of 100 columns and 40 rows, changes its size to 90 columns and 30 rows, and prints what comes back. */
const typist = `
import fcntl, os, pty, select, struct, sys, termios, time
def resize(rows, columns): fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
child, master = pty.fork()
if child == 0:
    time.sleep(0.1)
    os.execvp(sys.argv[1], sys.argv[1:])
resize(40, 100)
seen = b''
def until(text):
    global seen
    end = time.time() + 15
    while text not in seen and time.time() < end:
        if select.select([master], [], [], 0.2)[0]:
            try: more = os.read(master, 4096)
            except OSError: return
            seen += more
until(b'$ ')
os.write(master, b'echo size is $(stty size)\\r')
until(b'size is 40 100')
resize(30, 90)
seen = b''
while b'size now 30 90' not in seen:
    os.write(master, b'echo size now $(stty size)\\r')
    before = len(seen)
    until(b'size now')
    time.sleep(0.2)
    if len(seen) == before: break
    until(b'$ ')
os.write(master, b'exit 7\\r')
until(b'never')
print('window size followed' if b'size now 30 90' in seen else seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
`;

describe('fleetctl ssh', () => {
  let shared: Cluster;
  let key = '';
  /** Runs fleetctl on the first machine as somebody who has an agent; `input` is typed. */
  const ssh = (args: readonly string[], input = '', env = `SSH_AUTH_SOCK=${agentSocket}`): Promise<CommandResult> =>
    shared.machine('m85').exec(['sh', '-c', `cd /root && exec env ${env} timeout 30 fleetctl "$@"`, 'sh', ...args], { input });

  before(async () => {
    shared = await cluster();
    key = await startAgent(shared);
    await startSshd(shared.machine('m83'), key);
  });
  after(async () => {
    await stopSshd(shared.machine('m83'));
    await stopAgent(shared);
  });

  test('asks about a host that is not known, remembers a yes without a newline, and asks no more', async () => {
    const first = await ssh(['ssh', '364cd1ff', 'id', '-un'], 'yes');
    assert.deepEqual([first.code, first.stdout], [0, 'core\n'], first.stderr);
    assert.match(first.stderr, /The authenticity of host '10\.58\.9\.83' can't be established\.\nED25519 key fingerprint is ([0-9a-f]{2}:){15}/);
    assert.match(first.stderr, /Permanently added '10\.58\.9\.83' \(ED25519\)/);
    const second = await ssh(['ssh', '364cd1ff', 'hostname']);
    assert.deepEqual([second.code, second.stdout, second.stderr], [0, 'm83\n', '']);
  });

  test('refuses after anything but a yes, and remembers nothing', async () => {
    const known = await shared.sh('cat /root/.fleetctl/known_hosts; rm /root/.fleetctl/known_hosts');
    const refused = await ssh(['ssh', '364cd1ff', 'hostname'], 'no\n');
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, /Failed building SSH client: nobody has said that 10\.58\.9\.83 may be trusted\n$/);
    assert.equal(await shared.sh('cat /root/.fleetctl/known_hosts 2>/dev/null; true'), '');
    await shared.sh(`printf '%s' '${known}' >/root/.fleetctl/known_hosts`);
  });

  test('passes on exit codes, signals, standard input and both outputs, and takes no flags of the command for its own', async () => {
    assert.equal((await ssh(['ssh', '364cd1ff', 'exit 42'])).code, 42);
    assert.equal((await ssh(['ssh', '364cd1ff', 'kill -KILL $$'])).code, 137);
    const both = await ssh(['ssh', '--machine=364cd1ff', 'tr', '-d', 'x', ';', 'echo', 'wrong', '>&2'], 'axbxc\n');
    assert.deepEqual([both.code, both.stdout, both.stderr], [0, 'abc\n', 'wrong\n']);
    const large = await ssh(['ssh', '364cd1ff', '--', 'head -c 3000000 /dev/zero | tr "\\0" y']);
    assert.deepEqual([large.code, large.stdout.length], [0, 3_000_000]);
  });

  test('runs a shell that reads its commands from standard input when there is no terminal', async () => {
    const { code, stdout } = await ssh(['ssh', '364cd1ff'], 'hostname\nexit 3\n');
    assert.deepEqual([code, stdout.includes('m83')], [3, true]);
  });

  test('opens a terminal of the size of the window, which follows when the window changes', async () => {
    await shared.sh(`cat >/root/typist.py <<'PY'\n${typist}PY`);
    const { code, stdout, stderr } = await shared.machine('m85').exec(
      ['sh', '-c', `cd /root && TERM=xterm SSH_AUTH_SOCK=${agentSocket} timeout 60 python3 typist.py fleetctl ssh 364cd1ff`]);
    assert.deepEqual([code, stdout], [7, 'window size followed\n'], stderr);
  });

  test('goes to the machine of a unit', async () => {
    await startUnit(shared, 'here.service', sleeper('MachineID=364cd1ff8ac5dc300e15c293544f7cec'));
    assert.equal((await ssh(['ssh', 'here.service', 'hostname'])).stdout, 'm83\n');
    assert.equal((await ssh(['ssh', '--unit=here', 'hostname'])).stdout, 'm83\n');
  });

  test('lets the machine use the keys of the agent only with -A', async () => {
    const without = await ssh(['ssh', '364cd1ff', 'ssh-add -l']);
    assert.notEqual(without.code, 0);
    const withAgent = await ssh(['ssh', '-A', '364cd1ff', 'ssh-add -l']);
    assert.equal(withAgent.code, 0, withAgent.stderr);
    assert.match(withAgent.stdout, /ED25519/);
  });

  test('refuses a host whose key has changed, unless keys are not checked at all', async () => {
    await stopSshd(shared.machine('m83'));
    await startSshd(shared.machine('m83'), key);
    const changed = await ssh(['ssh', '364cd1ff', 'hostname'], 'yes\n');
    assert.deepEqual([changed.code, changed.stdout], [1, '']);
    assert.match(changed.stderr, /REMOTE HOST IDENTIFICATION HAS CHANGED[^]*known_hosts:1\n[^]*Failed building SSH client: the host key of 10\.58\.9\.83 has changed\n$/);
    const unchecked = await ssh(['--strict-host-key-checking=false', 'ssh', '364cd1ff', 'hostname']);
    assert.deepEqual([unchecked.code, unchecked.stdout, unchecked.stderr], [0, 'm83\n', '']);
  });

  test('says in one line what keeps it from connecting', async () => {
    const slips: readonly (readonly [readonly string[], string, RegExp])[] = [
      [['364cd1ff'], 'A=b', /SSH_AUTH_SOCK environment variable is not set\. Verify ssh-agent is running\.$/],
      [['364cd1ff'], 'SSH_AUTH_SOCK=/nowhere', /SSH_AUTH_SOCK=\/nowhere/],
      [['--ssh-username=nobody', '364cd1ff'], `SSH_AUTH_SOCK=${agentSocket}`, /accepts no key .* for the user nobody/],
      [['e3583575'], `SSH_AUTH_SOCK=${agentSocket}`, /10\.58\.9\.82: connection refused/],
      [['--ssh-port=2222', '364cd1ff'], `SSH_AUTH_SOCK=${agentSocket}`, /\[10\.58\.9\.83\]:2222: connection refused/],
    ];
    for (const [args, env, says] of slips) {
      const { code, stdout, stderr } = await ssh(['ssh', '--strict-host-key-checking=false', ...args, 'hostname'], '', env);
      assert.deepEqual([code, stdout], [1, ''], args.join(' '));
      assert.match(stderr, /^Failed building SSH client: [^\n]+\n$/);
      assert.match(stderr.trimEnd(), says);
    }
  });

  test('waits no longer than --ssh-timeout for a host that says nothing', async () => {
    const mute = shared.machine('m82');
    await mute.sh('systemd-run -q --collect --unit=test-mute python3 -c "import socket,time; s=socket.socket(); s.bind((\'\',22)); s.listen(); time.sleep(60)"');
    try {
      await mute.sh('until ss -ltn | grep -q :22; do sleep 0.1; done');
      const { code, stderr } = await ssh(['ssh', '--ssh-timeout=0.5', 'e3583575', 'hostname']);
      assert.equal(code, 1);
      assert.equal(stderr, 'Failed building SSH client: no answer from 10.58.9.82 within 0.5 s (--ssh-timeout)\n');
    } finally {
      await mute.sh('systemctl stop test-mute');
    }
  });
});
