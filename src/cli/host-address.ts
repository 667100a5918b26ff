/** "HOST" and "HOST:PORT" of --tunnel and --ssh-port, and the flags about SSH. Promises: reads text only. */
import { failure, success } from '../core/failure.ts';
import type { Result } from '../core/failure.ts';
import type { SshHost, SshOptions } from '../ssh/ssh.ts';
import type { Flags } from './arguments.ts';
import type { Environment } from './environment.ts';

/** Where sshd listens when nothing else is said. */
const sshPort = 22;

/** Reads "host", "host:port", "[::1]:port" or "::1"; fails with USAGE_INVALID naming `where`. */
export function readHostAddress(text: string, where: string): Result<SshHost> {
  const [, inBrackets, plain, port] = /^(?:\[([^\][]+)\]|([^:[\]@]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const bareAddress = /^[0-9a-fA-F:]+$/.test(text) && text.split(':').length > 2 ? text : undefined;
  const host = inBrackets ?? plain ?? bareAddress;
  const number = port === undefined ? sshPort : Number(port);
  if (host === undefined || /\s/.test(host) || number < 1 || number > 65_535)
    return failure('USAGE_INVALID', `invalid value "${text}" for ${where}: must be HOST or HOST:PORT`);
  return success({ host, port: number });
}

/** The --tunnel of the flags; null without one. */
export function tunnelOf(flags: Flags): Result<SshHost | null> {
  const text = flags.text('tunnel');
  return text === '' ? success(null) : readHostAddress(text, 'flag --tunnel');
}

/** How to connect by SSH, as the flags say. */
export function sshOptionsOf(environment: Environment, flags: Flags, forwardsAgent: boolean): SshOptions {
  return {
    username: flags.text('ssh-username'),
    timeoutMs: flags.number('ssh-timeout') * 1_000,
    knownHostsFile: flags.isOn('strict-host-key-checking') ? inHome(environment, flags.text('known-hosts-file')) : null,
    forwardsAgent,
  };
}

/** "~" at the beginning of a path is the home directory, as in a shell. */
function inHome({ env, cwd }: Environment, path: string): string {
  return path.startsWith('~/') ? `${env['HOME'] ?? cwd}${path.slice(1)}` : path;
}
