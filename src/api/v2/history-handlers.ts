/**
 * GET /fleet/v2/history and /fleet/v2/history/NAME: what happened to units and machines, and why.
 * Promises: answers from one snapshot; also about units and machines that are gone; never more than the lines asked for, the newest.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { failure, success, type Result } from '../../core/failure.ts';
import { limits } from '../../core/limits.ts';
import { findSubject, readHistory, type HistorySubject } from '../../core/read-history.ts';
import type { HistoryList } from '../../protocol/v2.ts';
import { pathValue, queryValues, sendFailure } from '../http.ts';
import { shown } from '../json.ts';
import { historyView } from '../views.ts';
import { sendView, type Scene } from './scene.ts';

export function listHistory(scene: Scene, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const lines = readLines(request);
  if (!lines.ok) return sendFailure(reply, lines.failure);
  return sendView(scene, reply, ({ snapshot }) => {
    const word = pathValue(request, 'name');
    const subject = word === '' ? success<HistorySubject>(null) : findSubject(snapshot, word);
    if (!subject.ok) return subject;
    const { value } = subject;
    const events = readHistory(snapshot, value).slice(-lines.value).map(historyView);
    return success<HistoryList>({
      revision: snapshot.revision,
      unit: value !== null && 'unit' in value ? value.unit : null,
      machine: value !== null && 'machine' in value ? value.machine : null,
      events,
    });
  });
}

function readLines(request: FastifyRequest): Result<number> {
  const [text] = queryValues(request, 'lines');
  if (text === undefined) return success(limits.historyLinesMax);
  const value = Number(text);
  return /^\d{1,9}$/.test(text) && value >= 1 && value <= limits.historyLinesMax
    ? success(value)
    : failure('REQUEST_INVALID', `"lines" is ${shown(text)}, should be a number from 1 to ${limits.historyLinesMax}`);
}
