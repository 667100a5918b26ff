import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseEndpoint } from './endpoint.ts';

/** An endpoint in brief, or why the text is none. */
function read(text: string): string {
  const reading = parseEndpoint(text);
  if (!reading.ok) return reading.why;
  const { socketPath, secure, host, port, basePath } = reading.endpoint;
  return socketPath === null
    ? `${secure ? 'secure' : 'clear'} ${host} ${port} ${basePath}`.trimEnd()
    : `socket ${socketPath}`;
}

const table: readonly (readonly [string, string])[] = [
  ['unix:///var/run/fleet.sock', 'socket /var/run/fleet.sock'],
  ['file:///var/run/fleet.sock', 'socket /var/run/fleet.sock'],
  ['http://127.0.0.1:49153', 'clear 127.0.0.1 49153'],
  ['http://10.0.0.1', 'clear 10.0.0.1 80'],
  ['https://fleet.example.org', 'secure fleet.example.org 443'],
  ['http://[::1]:8080/', 'clear ::1 8080'],
  ['https://proxy.example.org/fleets/one/', 'secure proxy.example.org 443 /fleets/one'],
  ['', 'URL scheme undefined'],
  ['127.0.0.1:49153', 'URL scheme undefined'],
  ['/var/run/fleet.sock', 'URL scheme undefined'],
  ['unix://var/run/x', 'unable to connect to host "var" with scheme "unix"'],
  ['file://var/run/x', 'unable to connect to host "var" with scheme "file"'],
  ['unix://', '"unix://" names no socket; write it as unix:///PATH'],
  ['unix:///', '"unix:///" names no socket; write it as unix:///PATH'],
  ['ftp://10.0.0.1', 'URL scheme "ftp" of "ftp://10.0.0.1" is not supported; use unix://, http:// or https://'],
  ['http://', '"http://" is not a URL; write it as http://HOST:PORT'],
  ['http://a b', '"http://a b" is not a URL; write it as http://HOST:PORT'],
  ['http://10.0.0.1:99999', '"http://10.0.0.1:99999" is not a URL; write it as http://HOST:PORT'],
];

test('endpoints are sockets or URLs; what is neither is told in one line', () => {
  for (const [text, expected] of table) assert.equal(read(text), expected, text);
});

test('no text makes the reader throw', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.webUrl(),
        fc.string().map((rest) => `http://${rest}`),
      ),
      (text) => {
        const reading = parseEndpoint(text);
        if (reading.ok) assert.ok(reading.endpoint.socketPath !== null || reading.endpoint.host !== '');
        else assert.notEqual(reading.why, '');
      },
    ),
  );
});
