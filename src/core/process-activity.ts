/** What the processes of a service do, from its main process on, as far as it tells whether the service has begun to work. */
export type ProcessActivity =
  /** They wait for something; `text` changes whenever one of them has run. */
  | { readonly state: 'asleep'; readonly text: string }
  /** One of them runs, waits for a processor or a disk, or it cannot be told; together they have had processors for `ranMs` so far. */
  | { readonly state: 'busy'; readonly ranMs: number }
  /** The main process has not begun its program yet. */
  | { readonly state: 'begins' }
  /** The main process has ended, and its parent, the service manager, has not heard of it yet. */
  | { readonly state: 'ended' }
  /** There is no such process here. */
  | { readonly state: 'gone' };
