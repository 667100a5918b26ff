/**
 * /fleet/v2/releases and /fleet/v2/scale.
 * Promises: an answer is durable and seen by the lists of this API; what cannot be done now is refused with the reason.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { failure, success, type Result } from '../../core/failure.ts';
import { noReleaseOptions, releaseOptionRules, type ReleaseOptions } from '../../core/release/options.ts';
import type { ReleaseRecord } from '../../core/release/release.ts';
import { parseUnitName, type UnitName } from '../../core/unit-name.ts';
import type {
  ReleaseAnswer,
  ReleaseDetails,
  ReleaseList,
  ReleaseOrder,
  ReleaseRequest,
  StrategyWish,
} from '../../protocol/releases.ts';
import type { ScaleAnswer, ScaleRequest } from '../../protocol/v2.ts';
import { pathValue, sendFailure, sendJson } from '../http.ts';
import { shown } from '../json.ts';
import { sendView, type Scene } from '../v2/scene.ts';
import type { Decide } from '../write/decision.ts';
import { transact } from '../write/transaction.ts';
import { decideOrder } from './decide-order.ts';
import { decideRelease } from './decide-release.ts';
import { decideScale } from './decide-scale.ts';
import { describeReleaseDetails, describeReleases, releaseView } from './views.ts';

export function listReleases(scene: Scene, _: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendView(scene, reply, (viewed) =>
    success<ReleaseList>({ revision: viewed.snapshot.revision, releases: describeReleases(viewed) }),
  );
}

export function getRelease(scene: Scene, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendView(scene, reply, (viewed): Result<ReleaseDetails> => {
    const name = readName(pathValue(request, 'name'));
    if (!name.ok) return name;
    const release = describeReleaseDetails(viewed, name.value);
    return release === null ? failure('RELEASE_NOT_FOUND', `there was no release of ${name.value}`) : success(release);
  });
}

export async function postRelease(scene: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { name: text, text: file, strategy: wish = {}, by = '' } = request.body as ReleaseRequest; // Its schema has been checked.
  const name = readName(text);
  if (!name.ok) return sendFailure(reply, name.failure);
  const strategy = readStrategy(wish);
  if (!strategy.ok) return sendFailure(reply, strategy.failure);
  const asked = { name: name.value, strategy: strategy.value, by, ...(file === undefined ? {} : { text: file }) };
  return carryOut(scene, { name: name.value, decide: (basis) => decideRelease(basis, asked, scene.viewed().sections) }, reply);
}

export async function postOrder(scene: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { action, to, by = '' } = request.body as ReleaseOrder; // Its schema has been checked.
  const name = readName(pathValue(request, 'name'));
  if (!name.ok) return sendFailure(reply, name.failure);
  if (to !== undefined && action !== 'undo') return sendFailure(reply, failure('REQUEST_INVALID', `"to" goes with undo, not with ${action}`).failure);
  const asked = { name: name.value, action, by, ...(to === undefined ? {} : { to }) };
  return carryOut(scene, { name: name.value, decide: (basis) => decideOrder(basis, asked, scene.viewed().sections) }, reply);
}

export async function postScale(scene: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { name: text, count, templateText, by = '' } = request.body as ScaleRequest; // Its schema has been checked.
  const name = readName(text);
  if (!name.ok) return sendFailure(reply, name.failure);
  const asked = { name: name.value, count, by, ...(templateText === undefined ? {} : { templateText }) };
  const outcome = await transact(scene.needs, (basis) => decideScale(basis, asked, scene.viewed().sections), scene.signal);
  if (!outcome.ok) return sendFailure(reply, outcome.failure);
  return sendJson(reply, 200, { revision: outcome.value.revision, ...outcome.value.answer } satisfies ScaleAnswer);
}

interface Asked {
  readonly name: UnitName;
  readonly decide: Decide<ReleaseRecord>;
}

async function carryOut(scene: Scene, { name, decide }: Asked, reply: FastifyReply): Promise<FastifyReply> {
  const outcome = await transact(scene.needs, decide, scene.signal);
  if (!outcome.ok) return sendFailure(reply, outcome.failure);
  // The record as it was decided: by now the engine may have gone further.
  const release = releaseView(scene.viewed(), name, outcome.value.answer);
  return sendJson(reply, 200, { revision: outcome.value.revision, release } satisfies ReleaseAnswer);
}

function readName(text: string): Result<UnitName> {
  const parts = parseUnitName(text);
  return parts.ok ? success(parts.value.name) : failure('UNIT_NAME_INVALID', `${shown(text)}: ${parts.failure.message}`);
}

/** The batch is the only part that the schema leaves to be read. */
function readStrategy({ batch, ...others }: StrategyWish): Result<Partial<ReleaseOptions>> {
  const rule = releaseOptionRules['ReleaseBatch'];
  const read = batch === undefined || rule === undefined ? success(noReleaseOptions) : rule(noReleaseOptions, batch);
  if (!read.ok) return failure('REQUEST_INVALID', `"strategy/batch" is ${shown(batch)}: ${read.failure.message}`);
  return success({ ...others, batch: read.value.batch });
}
