/**
 * The lists and views of API v2.
 * Promises: each answers from one snapshot, without asking anybody; the long ones go out as they are made.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { failure, success } from '../../core/failure.ts';
import { explain } from '../../core/schedule/explain.ts';
import type { Explanation, InfoView, StatusList, UnitList } from '../../protocol/v2.ts';
import { sendFailure } from '../http.ts';
import { describeStatuses, describeUnit, describeUnits } from '../views.ts';
import { sendList } from './long-list.ts';
import { knownUnit, markStale, neverSynced, sendView, whenHeardLast, type Scene } from './scene.ts';

export function listUnits(scene: Scene, _: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  return sendList(scene, reply, (viewed) => ({ field: 'units' satisfies keyof UnitList, rows: describeUnits(viewed) }));
}

export function getUnit(scene: Scene, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendView(scene, reply, (viewed) => {
    const name = knownUnit(viewed, request);
    const unit = name.ok ? describeUnit(viewed, name.value) : null;
    if (!name.ok) return name;
    return unit === null ? failure('UNIT_NOT_FOUND') : success(unit);
  });
}

export function getUnitFile(scene: Scene, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const viewed = scene.viewed();
  if (viewed.snapshot.revision === 0) return sendFailure(reply, neverSynced(scene.needs));
  markStale(scene.needs, reply);
  const name = knownUnit(viewed, request);
  if (!name.ok) return sendFailure(reply, name.failure);
  const hash = viewed.snapshot.units.get(name.value)?.hash;
  const known = hash === undefined ? undefined : viewed.snapshot.files.get(hash);
  if (known === undefined) {
    return sendFailure(
      reply,
      failure(
        'RECORD_UNREADABLE',
        `the file of ${name.value} is missing in the store; submit the unit again with replace`,
      ).failure,
    );
  }
  return reply.header('content-type', 'text/plain; charset=utf-8').send(known.text);
}

export function listStatuses(scene: Scene, _: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  return sendList(scene, reply, ({ snapshot }) => ({ field: 'statuses' satisfies keyof StatusList, rows: describeStatuses(snapshot) }));
}

export function explainUnit(scene: Scene, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendView(scene, reply, (viewed) => {
    const name = knownUnit(viewed, request);
    if (!name.ok) return name;
    const heardUntilMs = whenHeardLast(scene.needs);
    const knowledge = { sections: viewed.sections, nowMs: scene.needs.clock.nowMs(), ...(heardUntilMs !== null && { heardUntilMs }) };
    return success<Explanation>(explain(viewed.snapshot, name.value, knowledge));
  });
}

/** Answers always: it says whose fleetd this is before it knows anything of the cluster. */
export function getInfo({ needs, viewed }: Scene): InfoView {
  const { snapshot } = viewed();
  return {
    version: needs.version,
    keyPrefix: needs.keyPrefix,
    machine: needs.machineId,
    store: needs.storeKind,
    leader: snapshot.leader?.machine ?? null,
    revision: snapshot.revision,
  };
}
