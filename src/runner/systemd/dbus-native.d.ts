/**
 * Types of the two functions fleet uses of @httptoolkit/dbus-native: its encoder and decoder of D-Bus messages.
 * The package's own declarations cover only its client, which fleet does not use (docs/decisions/dbus-library.md).
 */
declare module '@httptoolkit/dbus-native/lib/message.js' {
  /** A message as the encoder takes it; `body` has one value for each complete type in `signature`. */
  interface OutgoingMessage {
    type: number;
    serial: number;
    destination?: string;
    path?: string;
    interface?: string;
    member?: string;
    replySerial?: number;
    errorName?: string;
    signature?: string;
    body?: readonly unknown[];
  }
  const codec: { marshall(message: OutgoingMessage): Buffer };
  export = codec;
}

declare module '@httptoolkit/dbus-native/lib/unmarshall.js' {
  /** Values of a message body: structs and arrays as arrays, dictionaries as pairs, variants as [type tree, [value]]. */
  function unmarshall(body: Buffer, signature: string): unknown[];
  export = unmarshall;
}
