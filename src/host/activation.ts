/**
 * Sockets handed over by systemd (sd_listen_fds(3)).
 * Promises: the variables are read once and taken out of the environment, so that children do not take the sockets for theirs.
 */

/** First passed descriptor: SD_LISTEN_FDS_START. */
const firstDescriptor = 3;

/** One passed socket. `name` is from FileDescriptorName= of the socket unit, empty when none was given. */
export interface PassedSocket {
  readonly descriptor: number;
  readonly name: string;
}

/** The sockets systemd passed to process `pid`; none when LISTEN_PID is another's. */
export function takePassedSockets(environment: NodeJS.ProcessEnv, pid: number): readonly PassedSocket[] {
  const { LISTEN_PID: owner, LISTEN_FDS: count, LISTEN_FDNAMES: names = '' } = environment;
  delete environment['LISTEN_PID'];
  delete environment['LISTEN_FDS'];
  delete environment['LISTEN_FDNAMES'];
  if (owner === undefined || count === undefined || Number(owner) !== pid) return [];
  const words = names.split(':');
  const length = Number(count);
  if (!Number.isInteger(length) || length < 0 || length > 64) return [];
  return Array.from({ length }, (_, index) => ({ descriptor: firstDescriptor + index, name: words[index] ?? '' }));
}
