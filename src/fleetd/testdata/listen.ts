/**
 * A process that opens the listeners its argument describes and serves "served".
 * Promises: one line of JSON says what became of it; it lives as long as the test that started it.
 */
import type { Server } from 'node:http';
import { createLog } from '../../lib/log.ts';
import { openListeners, type ListenPlan } from '../listeners.ts';

const lines: string[] = [];
const log = createLog('api', 'info', (line) => lines.push(line));
const serve = (server: Server): void => void server.on('request', (_, response) => response.end('served'));
const opened = await openListeners(JSON.parse(process.argv[2] ?? '') as ListenPlan, serve, log);
const outcome = opened.ok ? { urls: opened.value.urls } : { failure: opened.failure.message };
process.stdout.write(`${JSON.stringify({ ...outcome, log: lines })}\n`);
process.stdin.resume().on('end', () => process.exit(0));
