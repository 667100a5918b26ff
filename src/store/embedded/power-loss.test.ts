/**
 * Power loss at any moment loses nothing that was acknowledged.
 *
 * What the SQLite file and its log hold is recorded after every acknowledged commit. Between two recordings lie the writes of one commit,
 * and sometimes those of a checkpoint. From them every disk is made that a power cut could leave behind: the log cut off at any
 * byte, over what stood there before; any part of the sectors that were not synced yet, the others as they were; a page of the
 * file written by half. Each such disk is opened, and has to hold what was acknowledged last or one commit more, whole.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { seededRandom } from '../../lib/random.ts';
import type { LedgerContents } from '../ledger.ts';
import type { Revision, StoreEntry } from '../store.ts';
import { openDatabase } from './database.ts';
import type { DatabaseWrite } from './database.ts';

const bytesMax = 100_000_000;
/** What a disk writes whole or not at all, and what it may tear. */
const sectorBytes = 512;
/** SQLite's log (sqlite.org/fileformat2.html#walformat): a header, then frames of a header and a page. */
const logHeaderBytes = 32;
const frameBytes = 24 + 4_096;

/** The disk after a commit was acknowledged, and what the store then held. */
interface Recording {
  readonly file: Buffer;
  readonly log: Buffer;
  readonly state: string;
}

/** A disk as a power cut leaves it. */
interface Disk {
  readonly says: string;
  readonly file: Buffer;
  readonly log: Buffer;
}

/** In memory where there is such a place: what is tried are contents, not a disk, and every opening syncs. */
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fleet-power-'));
after(() => rmSync(folder, { recursive: true }));

/** Everything a store holds as one text that is easy to compare. */
const stateOf = ({ revision, lastLease, entries, leases }: LedgerContents): string =>
  JSON.stringify([revision, lastLease, leases.length, entries.map(({ key, value, modRevision }) => [key, value.length, value.slice(0, 20), modRevision]).sort()]);

const entry = (key: string, value: string, revision: number): StoreEntry =>
  ({ key, value, modRevision: revision as Revision, leaseId: null });

/** Commits of many kinds: new keys, other values, deletes, leases; some so large that SQLite makes a checkpoint. */
function writeOf(revision: number): DatabaseWrite {
  const text = (size: number): string => `${String(revision)} ${'x'.repeat(size)}`;
  const entries = new Map<string, StoreEntry | null>([['again', entry('again', text(300), revision)]]);
  if (revision % 6 === 5) {
    for (const part of 'abcdefghijkl') entries.set(`large/${part}`, entry(`large/${part}`, text(9_000), revision));
  } else if (revision % 4 === 3) entries.set(`k/${String(revision - 1)}`, null);
  else entries.set(`k/${String(revision)}`, entry(`k/${String(revision)}`, text(3_000), revision));
  const leases = new Map([[String(revision), revision % 2 === 0 ? { id: String(revision), ttlMs: 5_000 } : null]]);
  return { revision: revision as Revision, lastLease: revision, entries, leases };
}

/** Makes commits and records the disk after each of them. */
function record(commits: number): readonly Recording[] {
  const [file, taken] = [join(folder, 'store.db'), join(folder, 'taken')];
  mkdirSync(taken);
  const database = openDatabase({ file, bytesMax, checkpointPages: 60 });
  const recordings: Recording[] = [];
  for (let revision = 0; revision <= commits; revision += 1) {
    if (revision > 0) database.write(writeOf(revision));
    // By a process of its own: closing the file in this one would drop the locks held on it.
    execFileSync('cp', [file, `${file}-wal`, taken]);
    const [copy, log] = ['store.db', 'store.db-wal'].map((name) => readFileSync(join(taken, name)));
    assert(copy !== undefined && log !== undefined);
    recordings.push({ file: copy, log, state: stateOf(database.load()) });
  }
  database.close();
  return recordings;
}

/** `later` up to a byte, `earlier` behind it. */
function cutAt(earlier: Buffer, later: Buffer, at: number): Buffer {
  return Buffer.concat([later.subarray(0, at), earlier.subarray(Math.min(at, earlier.length))]);
}

/** Where two contents differ: numbers of sectors. */
function changedSectors(earlier: Buffer, later: Buffer): readonly number[] {
  const sectors: number[] = [];
  for (let at = 0; at < later.length; at += sectorBytes) {
    const end = at + sectorBytes;
    if (!later.subarray(at, end).equals(earlier.subarray(at, end))) sectors.push(at / sectorBytes);
  }
  return sectors;
}

/** `earlier` with some sectors of `later`; the file may have grown by less than it was to. */
function withSectors(earlier: Buffer, later: Buffer, sectors: readonly number[]): Buffer {
  const ends = sectors.map((sector) => Math.min((sector + 1) * sectorBytes, later.length));
  const mixed = Buffer.alloc(Math.max(earlier.length, ...ends));
  earlier.copy(mixed);
  for (const sector of sectors) later.copy(mixed, sector * sectorBytes, sector * sectorBytes, (sector + 1) * sectorBytes);
  return mixed;
}

/** Bytes at which the log is cut: around every frame and page boundary, and some in between. */
function cutsOf(earlier: Buffer, later: Buffer): readonly number[] {
  const sectors = changedSectors(earlier, later);
  const from = (sectors[0] ?? 0) * sectorBytes;
  const to = Math.min(((sectors.at(-1) ?? -1) + 1) * sectorBytes, later.length);
  const cuts = new Set<number>();
  const step = Math.max(frameBytes, Math.ceil((to - from) / 12 / frameBytes) * frameBytes);
  const firstFrame = Math.max(0, Math.floor((from - logHeaderBytes) / frameBytes));
  for (let frame = logHeaderBytes + firstFrame * frameBytes; frame < to + frameBytes; frame += step) {
    for (const near of [-1, 0, 1, 23, 24, 25, 24 + 1_000, 24 + 2_048, frameBytes - 1]) cuts.add(frame + near);
  }
  for (const at of [1, 8, 16, 24, logHeaderBytes - 1, logHeaderBytes]) if (from === 0) cuts.add(at);
  return [...cuts].filter((cut) => cut >= from && cut <= to).sort((left, right) => left - right);
}

/** Every disk a power cut can leave between two recordings. */
function* disksBetween(earlier: Recording, later: Recording, seed: number): Generator<Disk> {
  const random = seededRandom(seed);
  const someOf = (sectors: readonly number[]): readonly number[] => {
    const share = random.next();
    return sectors.filter(() => random.next() < share);
  };
  for (const cut of cutsOf(earlier.log, later.log)) {
    yield { says: `the log is cut at byte ${String(cut)}`, file: earlier.file, log: cutAt(earlier.log, later.log, cut) };
    if (cut > earlier.log.length) {
      yield { says: `the log ends at byte ${String(cut)}`, file: earlier.file, log: later.log.subarray(0, cut) };
    }
  }
  const logSectors = changedSectors(earlier.log, later.log);
  for (let round = 0; round < 8; round += 1) {
    const sectors = someOf(logSectors);
    const says = `${String(sectors.length)} of ${String(logSectors.length)} sectors of the log are written (${String(round)})`;
    yield { says, file: earlier.file, log: withSectors(earlier.log, later.log, sectors) };
  }
  // A checkpoint writes the file while the log, which is synced, still holds everything.
  const fileSectors = changedSectors(earlier.file, later.file);
  for (let round = 0; fileSectors.length > 0 && round < 25; round += 1) {
    const sectors = round === 0 ? fileSectors.slice(0, -1) : someOf(fileSectors);
    const says = `${String(sectors.length)} of ${String(fileSectors.length)} sectors of the file are written (${String(round)})`;
    yield { says, file: withSectors(earlier.file, later.file, sectors), log: later.log };
  }
}

describe('power loss', () => {
  let recordings: readonly Recording[];
  before(() => {
    recordings = record(32);
  });

  /** What a store opened on that disk holds. */
  const stateOn = ({ file, log, says }: Disk): string => {
    const path = join(folder, 'cut.db');
    for (const suffix of ['-shm', '-lock']) rmSync(`${path}${suffix}`, { force: true });
    writeFileSync(path, file);
    writeFileSync(`${path}-wal`, log);
    const database = openDatabase({ file: path, bytesMax });
    try {
      return stateOf(database.load());
    } catch (error) {
      throw new Error(`${says}: the store cannot be read`, { cause: error });
    } finally {
      database.close();
    }
  };

  test('the recordings hold commits, checkpoints, and logs that begin anew over an old one', () => {
    const pairs = recordings.slice(1).map((later, index) => ({ earlier: recordings[index] ?? later, later }));
    const checkpoints = pairs.filter(({ earlier, later }) => !later.file.equals(earlier.file)).length;
    const renewed = pairs.filter(({ earlier, later }) => earlier.log.length > logHeaderBytes
      && !later.log.subarray(0, logHeaderBytes).equals(earlier.log.subarray(0, logHeaderBytes))).length;
    assert.ok(checkpoints >= 2 && renewed >= 2, `${String(checkpoints)} checkpoints, ${String(renewed)} logs begun anew`);
  });

  test('whatever the moment, the store holds what was acknowledged last, or one commit more, and nothing by half', () => {
    let disks = 0;
    for (const [index, later] of recordings.slice(1).entries()) {
      const earlier = recordings[index];
      assert(earlier !== undefined);
      for (const disk of disksBetween(earlier, later, index)) {
        const state = stateOn(disk);
        const expected = [earlier.state, later.state];
        assert.ok(expected.includes(state), `commit ${String(index)}, ${disk.says}: the store holds ${state.slice(0, 200)}`);
        disks += 1;
      }
    }
    assert.ok(disks > 1_000, `${String(disks)} disks were looked at`);
  });

  test('a disk whose whole log is there holds the last acknowledged commit, also with the last page of the file written by half', () => {
    for (const [index, recording] of recordings.entries()) {
      assert.equal(stateOn({ ...recording, says: 'whole' }), recording.state, `commit ${String(index)}`);
      const earlier = recordings[index - 1];
      if (earlier === undefined || recording.file.equals(earlier.file)) continue;
      for (const torn of [1, 100, 512, 2_048, 4_095]) {
        const file = recording.file.subarray(0, recording.file.length - torn);
        assert.equal(stateOn({ file, log: recording.log, says: 'torn' }), recording.state, `commit ${String(index)}, ${String(torn)} bytes short`);
      }
    }
  });
});
