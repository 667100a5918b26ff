/**
 * Machines of the lab with fleet installed as its packages would: the built executables, the service and the socket.
 * Promises: fleet is not started yet; what a plan brings along stands beside it.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from './lab.ts';
import type { Machine, MachinePlan } from './machine.ts';

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

/** Boots machines that have fleet installed and not started, each with the fleet.conf given. */
export async function bootMachines(
  lab: Lab, plans: readonly (MachinePlan & { /** Its fleet.conf. */ readonly conf: string })[],
): Promise<readonly Machine[]> {
  const unit = (name: string): Promise<string> => readFile(join(root, 'packaging/systemd', name), 'utf8');
  const [service, socket] = await Promise.all([unit('fleet.service'), unit('fleet.socket')]);
  const machines = await lab.boot(plans.map(({ conf, ...plan }) => ({
    ...plan,
    binds: [[join(root, 'dist'), '/opt/fleet', 'ro'], ...(plan.binds ?? [])] as const,
    files: {
      'etc/fleet/fleet.conf': conf,
      'etc/systemd/system/fleet.service': service.replace('/usr/bin/fleetd', '/opt/fleet/fleetd'),
      'etc/systemd/system/fleet.socket': socket,
      'usr/local/bin/fake-docker': { mode: 0o755, text: fakeDocker },
      ...plan.files,
    },
  })));
  await Promise.all(machines.map((machine) => machine.sh('ln -s /opt/fleet/fleetctl /usr/local/bin/fleetctl')));
  return machines;
}

/**
 * Stands in for docker: `run -p PORT:80 …` listens on PORT until it is told to stop; every other verb succeeds.
 * Perl, because every Debian has it.
 */
const fakeDocker = `#!/usr/bin/perl
use strict; use IO::Socket::INET;
exit 0 unless $ARGV[0] eq 'run';
my ($port) = join(' ', @ARGV) =~ /-p (\\d+):/;
my $server = IO::Socket::INET->new(LocalPort => $port, Listen => 16, ReuseAddr => 1) or die "port $port: $!";
while (my $client = $server->accept) { print $client "HTTP/1.0 200 OK\\r\\n\\r\\n$port\\n"; close $client; }
`;
