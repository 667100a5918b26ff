/**
 * A health check over HTTP: GET, and a status from 200 to 399.
 * Promises: reads no body, follows no redirect, keeps no connection. A certificate is not verified: the check asks whether the
 * process answers, on an address its certificate seldom names.
 */
import { get as getPlain } from 'node:http';
import { get as getEncrypted } from 'node:https';

export function probeHttp(url: string, signal: AbortSignal): Promise<string | null> {
  if (!URL.canParse(url)) return Promise.resolve(`${url} is no address; is the port's name right?`);
  return new Promise((resolve) => {
    const options = { signal, agent: false, rejectUnauthorized: false, headers: { 'user-agent': 'fleet-health-check' } } as const;
    const request = (url.startsWith('https:') ? getEncrypted : getPlain)(url, options, (response) => {
      const status = response.statusCode ?? 0;
      response.destroy();
      resolve(status >= 200 && status < 400 ? null : `${url} answered ${String(status)}`);
    });
    request.on('error', (error) => resolve(`${url}: ${error.message}`));
  });
}
