/** How long a machine of the shared cluster may be silent, where the few seconds of its fleet.conf are not what a test is about. */
import type { Machine } from './lab/machine.ts';

const folder = '/etc/systemd/system/fleet.service.d';
// Leaving first: a restart would take up the lease that is there.
const again = 'systemctl daemon-reload; systemctl stop fleet; systemctl start fleet';

/** Has a machine register anew with a lease of that many seconds. */
export async function takeLease(machine: Machine, seconds: number): Promise<void> {
  await machine.sh(`mkdir -p ${folder}; printf '[Service]\\nEnvironment=FLEET_AGENT_TTL=${String(seconds)}s\\n' >${folder}/ttl.conf; ${again}`);
}

/** Has it register anew with the lease of its fleet.conf. */
export async function takeUsualLease(machine: Machine): Promise<void> {
  await machine.sh(`rm -r ${folder}; ${again}`);
}
