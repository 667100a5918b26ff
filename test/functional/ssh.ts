/** SSH among the machines of a cluster: a real sshd on some of them, one person's ssh-agent on the first. */
import type { Cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import type { Machine } from './lab/machine.ts';

/** Where the agent of the person listens, on the first machine. */
export const agentSocket = '/root/agent.sock';

/** The flags of a person who works as root and keeps the known hosts of a test apart. */
export const asRoot = ['--ssh-username=root', '--known-hosts-file=/root/known_hosts'] as const;

/** Starts an ssh-agent with a new key on the first machine; answers with the line for authorized_keys. */
export async function startAgent({ sh }: Cluster): Promise<string> {
  await sh(`rm -rf /root/id /root/id.pub ${agentSocket} /root/known_hosts /root/.fleetctl
    ssh-keygen -q -t ed25519 -N '' -f /root/id
    systemd-run -q --collect --unit=test-agent --service-type=forking ssh-agent -a ${agentSocket}
    SSH_AUTH_SOCK=${agentSocket} ssh-add -q /root/id`);
  return sh('cat /root/id.pub');
}

export async function stopAgent({ sh }: Cluster): Promise<void> {
  await sh('systemctl stop test-agent');
}

/** Starts sshd on a machine, for the users root and core, with host keys of its own. `options` are lines of sshd_config. */
export async function startSshd(machine: Machine, authorizedKey: string, options: readonly string[] = []): Promise<void> {
  await machine.sh(`id core >/dev/null 2>&1 || useradd --create-home --shell /bin/bash core
    for home in /root /home/core; do mkdir -p $home/.ssh; echo '${authorizedKey.trim()}' >$home/.ssh/authorized_keys; done
    chown -R core: /home/core/.ssh
    rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -A
    mkdir -p /run/sshd
    systemd-run -q --collect --unit=test-sshd /usr/sbin/sshd -D ${options.map((option) => `-o '${option}'`).join(' ')}`);
  await until(async () => (await machine.exec(['sh', '-c', 'ss -ltn | grep -q :22'])).code === 0, `sshd listens on ${machine.name}`);
}

export async function stopSshd(machine: Machine): Promise<void> {
  await machine.sh('systemctl stop test-sshd');
}
