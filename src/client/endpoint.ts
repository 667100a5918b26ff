/**
 * Where an API listens: `unix:///path`, `file:///path` (the same), `http://host:port`, `https://host:port`.
 * Promises: reads text only; a wrong endpoint is answered with fleet 1.0's sentence where it had one.
 */

/** An endpoint, ready to be dialled. */
export interface Endpoint {
  /** As the person wrote it, for messages. */
  readonly text: string;
  /** The unix socket; null for TCP. */
  readonly socketPath: string | null;
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  /** Put before every path: the part of the URL behind the host, without a slash at its end. */
  readonly basePath: string;
}

/** An endpoint, or why the text is none. */
export type EndpointReading =
  { readonly ok: true; readonly endpoint: Endpoint } | { readonly ok: false; readonly why: string };

const defaultPorts: Readonly<Record<string, number>> = { http: 80, https: 443 };

function wrong(why: string): EndpointReading {
  return { ok: false, why };
}

/** Reads one endpoint. */
export function parseEndpoint(text: string): EndpointReading {
  const [, scheme = '', rest = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme === '') return wrong('URL scheme undefined');
  const kind = scheme.toLowerCase();
  if (kind === 'unix' || kind === 'file') return parseSocket(text, kind, rest);
  const port = defaultPorts[kind];
  if (port === undefined)
    return wrong(`URL scheme "${scheme}" of "${text}" is not supported; use unix://, http:// or https://`);
  const url = URL.parse(text);
  if (url === null || url.hostname === '') return wrong(`"${text}" is not a URL; write it as ${kind}://HOST:PORT`);
  return {
    ok: true,
    endpoint: {
      text,
      socketPath: null,
      secure: kind === 'https',
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port === '' ? port : Number(url.port),
      basePath: url.pathname.replace(/\/+$/, ''),
    },
  };
}

function parseSocket(text: string, scheme: string, rest: string): EndpointReading {
  const [host = ''] = rest.split('/', 1);
  if (host !== '') return wrong(`unable to connect to host "${host}" with scheme "${scheme}"`);
  if (rest === '' || rest === '/') return wrong(`"${text}" names no socket; write it as ${scheme}:///PATH`);
  return { ok: true, endpoint: { ...socketEndpoint(rest), text } };
}

/** The endpoint of a unix socket whose path is known. */
export function socketEndpoint(path: string): Endpoint {
  return { text: `unix://${path}`, socketPath: path, secure: false, host: 'localhost', port: 0, basePath: '' };
}
