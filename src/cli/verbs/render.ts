/**
 * `fleetctl render`: fills a template with the service directory and writes it to a file, once or whenever the directory changes.
 * Promises: the file is replaced in one step and only when its text changes; the command runs only after that, and again when it
 * failed or was cut off; with --watch, trouble of fleetd or of the command ends nothing and leaves the file as it is.
 */
import { isAbsolute, join } from 'node:path';
import type { StreamItem } from '../../client/events.ts';
import { ApiError, Unreachable } from '../../client/errors.ts';
import { failure, success } from '../../core/failure.ts';
import type { Result } from '../../core/failure.ts';
import { parseTemplate, renderTemplate } from '../../core/template.ts';
import type { Template } from '../../core/template.ts';
import { createBackoff } from '../../lib/backoff.ts';
import { untilFirstEnds } from '../../lib/tasks.ts';
import { createBell, waitAtMost } from '../../lib/wakeups.ts';
import type { Bell } from '../../lib/wakeups.ts';
import type { ServiceView } from '../../protocol/v2.ts';
import { complain, exitCodes, refuse } from '../session.ts';
import type { Session } from '../session.ts';

/** Changes that come within this time of one another are rendered together. */
const settleMs = 100;
const firstRetryMs = 1_000;
const longestRetryMs = 30_000;

/** What to render. */
interface Job {
  readonly template: Template;
  readonly target: string;
  /** A line for the shell; empty for none. */
  readonly command: string;
}

export async function run(session: Session): Promise<number> {
  const job = await readJob(session);
  if (!job.ok) return refuse(session, job.failure);
  const { interrupted } = session.environment;
  if (session.flags.isOn('watch')) {
    await watch(session, job.value).catch((error: unknown) => {
      if (!interrupted.aborted) throw error;
    });
    // Whoever asked for an end of the watch gets what was asked for.
    return exitCodes.done;
  }
  const { services } = await session.client.services(interrupted);
  const problem = await bringAbout(session, job.value, services);
  if (problem !== null) complain(session, problem);
  return problem === null ? exitCodes.done : exitCodes.failed;
}

async function readJob({ environment, flags, words }: Session): Promise<Result<Job>> {
  const [path, ...more] = words;
  if (path === undefined || more.length > 0) return failure('USAGE_INVALID', 'One template must be named');
  if (flags.text('to') === '') return failure('USAGE_INVALID', '--to=FILE must say where the text is to be written');
  const absolute = (file: string): string => (isAbsolute(file) ? file : join(environment.cwd, file));
  let text: string;
  try {
    text = new TextDecoder().decode(await environment.readFile(absolute(path)));
  } catch (error) {
    return failure('TEMPLATE_INVALID', `cannot read ${path}: ${(error as Error).message}`);
  }
  const template = parseTemplate(text);
  if (!template.ok) return failure('TEMPLATE_INVALID', `${path}: ${template.failure.message}`);
  return success({ template: template.value, target: absolute(flags.text('to')), command: flags.text('exec') });
}

/**
 * Writes the text if it differs, and runs the command after that; answers what went wrong. A file beside the target says that
 * the command has yet to run, in case this process ends in between.
 */
async function bringAbout(session: Session, { template, target, command }: Job, services: readonly ServiceView[]): Promise<string | null> {
  const { environment } = session;
  const pending = `${target}.pending`;
  const text = renderTemplate(template, services);
  try {
    const isSame = await present(environment.readFile(target)) === text;
    if (isSame && (command === '' || !(await environment.fileExists(pending)))) return null;
    if (command !== '') await environment.replaceFile(pending, '');
    if (!isSame) await environment.replaceFile(target, text);
  } catch (error) {
    return `cannot write ${target}: ${(error as Error).message}`;
  }
  if (command === '') return null;
  const problem = await environment.runShell(command, environment.interrupted);
  if (problem === null) await environment.removeFile(pending);
  return problem;
}

/** A file's text; null when there is no such file. */
async function present(read: Promise<Uint8Array>): Promise<string | null> {
  try {
    return new TextDecoder().decode(await read);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** The directory as far as it has been told. */
interface Directory {
  readonly services: Map<string, ServiceView>;
  /** Whether it has been told whole: before that, what is absent is not gone. */
  isWhole: boolean;
}

async function watch(session: Session, job: Job): Promise<void> {
  const directory: Directory = { services: new Map(), isWhole: false };
  const bell = createBell();
  await untilFirstEnds([
    (signal) => follow(session, { directory, bell }, signal),
    (signal) => keepRendered(session, { job, directory, bell }, signal),
  ], session.environment.interrupted);
  session.environment.interrupted.throwIfAborted();
}

/** Hears of the directory until the signal is aborted. */
async function follow(
  session: Session, { directory, bell }: { readonly directory: Directory; readonly bell: Bell }, signal: AbortSignal,
): Promise<void> {
  const { clock, random } = session.environment;
  const backoff = createBackoff({ firstMs: firstRetryMs, maxMs: longestRetryMs }, random);
  for (;;) {
    try {
      for await (const item of session.client.events({ kinds: ['service'] }, signal)) {
        backoff.reset();
        take(directory, item);
        if (directory.isWhole) bell.wake();
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ApiError) && !(error instanceof Unreachable)) throw error;
      complain(session, `${error.message}; the file stays as it is, asking again`);
    }
    take(directory, { kind: 'restarted' });
    await clock.sleep(backoff.nextMs(), signal);
  }
}

function take(directory: Directory, item: StreamItem): void {
  if (item.kind === 'restarted') {
    directory.isWhole = false;
    directory.services.clear();
    return;
  }
  const { event } = item;
  if (event.kind === 'current') directory.isWhole = true;
  if (event.kind !== 'service') return;
  const key = JSON.stringify([event.name, event.portName]);
  if (event.service === null) directory.services.delete(key);
  else directory.services.set(key, event.service);
}

/** Renders whenever the directory has changed; what went wrong is tried again. */
async function keepRendered(
  session: Session, { job, directory, bell }: { readonly job: Job; readonly directory: Directory; readonly bell: Bell }, signal: AbortSignal,
): Promise<void> {
  const { clock, random } = session.environment;
  const backoff = createBackoff({ firstMs: firstRetryMs, maxMs: longestRetryMs }, random);
  for (;;) {
    await bell.wait(signal);
    await clock.sleep(settleMs, signal);
    while (directory.isWhole) {
      const services = [...directory.services.values()].sort((left, right) => (sortKey(left) < sortKey(right) ? -1 : 1));
      const problem = await bringAbout(session, job, services);
      if (problem === null) break;
      const againMs = backoff.nextMs();
      complain(session, `${problem}; trying again in ${Math.ceil(againMs / 1_000)} s`);
      await waitAtMost(bell, { clock, limitMs: againMs }, signal);
    }
    backoff.reset();
  }
}

/** The order of the directory: by name, then port name. */
function sortKey({ name, portName }: ServiceView): string {
  return JSON.stringify([name, portName]);
}
