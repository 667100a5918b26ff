/**
 * `fleetctl release`: begins a release and shows how it goes; status, history, pause, resume and undo of one.
 * Promises: what is asked is stored before anything is shown; the exit code says whether the release did what was asked.
 */
import { failure, success } from '../../core/failure.ts';
import type { Failure, Result } from '../../core/failure.ts';
import type { ReleaseAnswer, ReleaseOrder } from '../../protocol/releases.ts';
import { readOneUnit } from '../names.ts';
import type { NamedUnit } from '../names.ts';
import { followRelease } from '../release-progress.ts';
import type { Followed } from '../release-progress.ts';
import { readStrategy } from '../release-strategy.ts';
import { historyTable, releasesTable, releaseText } from '../release-tables.ts';
import { complain, exitCodes, print, printJson, refuse, whoAsks } from '../session.ts';
import type { Session } from '../session.ts';
import { readUnitSource } from '../unit-source.ts';

const actions: Readonly<Record<string, (session: Session, words: readonly string[]) => Promise<number>>> = {
  status,
  history,
  pause: (session, words) => order(session, words, 'pause'),
  resume: (session, words) => order(session, words, 'resume'),
  undo: (session, words) => order(session, words, 'undo'),
};

export function run(session: Session): Promise<number> {
  const [word = '', ...others] = session.words;
  const action = Object.hasOwn(actions, word) ? actions[word] : undefined;
  return action === undefined ? begin(session) : action(session, others);
}

/** The one unit that words name. */
function readUnit(words: readonly string[]): Result<NamedUnit> {
  return readOneUnit(words, 'One template or unit must be given, such as apps@.service');
}

const neverReleased = (name: string): Failure => failure('RELEASE_NOT_FOUND', `There was no release of ${name}.`).failure;

async function begin(session: Session): Promise<number> {
  const unit = readUnit(session.words);
  if (!unit.ok) return refuse(session, unit.failure);
  const strategy = readStrategy(session.flags);
  if (!strategy.ok) return refuse(session, strategy.failure);
  const text = await readFile(session, unit.value);
  if (!text.ok) return refuse(session, text.failure);
  const by = whoAsks(session);
  const answer = await session.client.release(
    {
      name: unit.value.name,
      strategy: strategy.value,
      ...(text.value === null ? {} : { text: text.value }),
      by,
    },
    session.environment.interrupted,
  );
  return show(session, answer);
}

/** The text of --file, which must exist, or of the unit's file here, which need not; null leaves it to the cluster. */
async function readFile(session: Session, { folder, name }: NamedUnit): Promise<Result<string | null>> {
  const { flags, environment } = session;
  const given = flags.text('file');
  const source = await readUnitSource(environment, given === '' ? `${folder}${name}` : given, name);
  switch (source.kind) {
    case 'good':
      for (const warning of source.warnings) complain(session, warning);
      return success(source.text);
    case 'wrong':
      return failure('UNIT_FILE_INVALID', source.errors.join('\n'));
    case 'absent':
      return given === '' ? success(null) : failure('UNIT_FILE_INVALID', `${given}: error: there is no such file`);
  }
}

/** Says what was begun, or follows it to its end. */
async function show(session: Session, { release, revision }: ReleaseAnswer): Promise<number> {
  if (session.flags.isOn('no-block')) {
    print(session, `Triggered release of ${release.name} to generation ${release.goal}`);
    return exitCodes.done;
  }
  return follow(session, { name: release.name, target: release.target, goal: release.goal, atLeast: revision });
}

async function follow(session: Session, followed: Followed): Promise<number> {
  const end = await followRelease(session, followed, (line) => print(session, line));
  if (end.code === exitCodes.done) print(session, end.line);
  else complain(session, end.line);
  return end.code;
}

async function status(session: Session, words: readonly string[]): Promise<number> {
  const { client, environment, flags } = session;
  const isJson = flags.text('output') === 'json';
  if (words.length === 0) {
    const { releases } = await client.releases(environment.interrupted);
    if (isJson) printJson(session, releases);
    else environment.stdout.write(releasesTable(releases));
    return exitCodes.done;
  }
  const unit = readUnit(words);
  if (!unit.ok) return refuse(session, unit.failure);
  const { name } = unit.value;
  const release = await client.releaseDetails(name, environment.interrupted);
  if (release === null) return refuse(session, neverReleased(name));
  if (flags.isOn('follow')) return follow(session, { name, target: null, goal: null, atLeast: 0 });
  if (isJson) printJson(session, release);
  else environment.stdout.write(releaseText(release));
  return exitCodes.done;
}

async function history(session: Session, words: readonly string[]): Promise<number> {
  const unit = readUnit(words);
  if (!unit.ok) return refuse(session, unit.failure);
  const { name } = unit.value;
  const release = await session.client.releaseDetails(name, session.environment.interrupted);
  if (release === null) return refuse(session, neverReleased(name));
  if (session.flags.text('output') === 'json') printJson(session, release.generations);
  else session.environment.stdout.write(historyTable(release));
  return exitCodes.done;
}

async function order(session: Session, words: readonly string[], action: ReleaseOrder['action']): Promise<number> {
  const unit = readUnit(words);
  if (!unit.ok) return refuse(session, unit.failure);
  const { flags, environment, client } = session;
  const by = whoAsks(session);
  const to = action === 'undo' && flags.given('generation') ? { to: flags.number('generation') } : {};
  const asked: ReleaseOrder = { action, ...to, by };
  const answer = await client.orderRelease(unit.value.name, asked, environment.interrupted);
  if (action !== 'pause') return show(session, answer);
  print(session, `Release of ${unit.value.name} is paused: ${answer.release.changed} of ${answer.release.total} changed`);
  return exitCodes.done;
}
