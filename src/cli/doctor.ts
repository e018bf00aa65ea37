/** doctor: tries credentials, store, disk, clock and public address, and says what to do. */
import { existsSync, statfsSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.ts';
import { closeConnections, openConnections } from '../connections.ts';
import { Trouble } from '../connector.ts';
import { createExchange } from '../exchange.ts';
import { CrosswalkError } from '../errors.ts';
import { planningSyncs } from '../health/planning.ts';
import { loadInstallation, type Installation } from '../installation.ts';
import { usesOf } from '../live-schemas.ts';
import { driftCounts, driftOf, type DriftFinding } from '../mapping/drift.ts';
import { isOverdue, lastBackup, nextBackup } from '../store/backups.ts';
import { findStore, isFleeting, openStore, placeWords, whereIs, type Where } from '../store/open.ts';
import { openSafe } from '../store/safe.ts';
import { schemaVersion } from '../store/schema.ts';
import type { WholeStore } from '../store/store.ts';
import { readSwitches, type Switches } from '../sync/switches.ts';
import { diagnose, type Note } from './diagnosis.ts';
import { noteConnectionExpiries, noteKeys } from './doctor-secrets.ts';
import { holderOf } from './holder.ts';
import { askSession, type LiveKind } from './live.ts';
import { exits, json, say, table, wordsOf } from './output.ts';
import type { Common } from './program.ts';

interface Finding {
  readonly what: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly text: string;
  /** Empty where there is nothing to do. */
  readonly remedy: string;
}

/** ms for one connection's check. */
const patience = 20_000;
const gigabyte = 1024 ** 3;

interface Looked {
  readonly words: string;
  /** It is of an older release: then it is left as it is. */
  readonly isBehind: boolean;
}

/** Looks at the store as it is; undefined where there is none yet. */
const lookAt = async (where: Where, note: Note): Promise<Looked | undefined> => {
  const store = await findStore(where, { readOnly: true });
  if (store === undefined) return undefined;
  try {
    const { engine, schema, size, faults } = await store.health();
    for (const { text, remedy, grave } of faults) note('store', grave ? 'fail' : 'warn', text, remedy);
    const isBehind = schema < schemaVersion;
    if (isBehind)
      note(
        'migration',
        'warn',
        `the store ${placeWords(where)} is of schema ${schema}, and this release brings ${schemaVersion}; it was not written to`,
        'Make a backup (crosswalk store backup), then start the gateway: it takes the steps by itself.',
      );
    return { words: `${engine}, schema ${schema}, ${megabytes(size)}`, isBehind };
  } finally {
    await store.close();
  }
};

/** True if the store is of an older release: then nothing else may open it either, for that would take it along. */
const tryStore = async (config: Config, note: Note): Promise<boolean> => {
  const where = whereIs(config, process.env);
  if (isFleeting(where)) {
    note('store', 'warn', 'in memory: nothing outlives a restart', 'Set store.path to a file.');
    return false;
  }
  const place = placeWords(where);
  let opened: WholeStore | undefined;
  try {
    if ('file' in where) noteWal(where.file, note);
    const looked = await lookAt(where, note);
    if (looked?.isBehind === true) return true;
    opened = await openStore(where);
    const latency = await commitTime(opened);
    const holder = await holderOf(opened);
    const by = holder === undefined ? '' : `; crosswalk ${holder.what} works it (process ${holder.pid})`;
    const words = looked?.words ?? 'new';
    note('store', 'ok', `${place} can be written: ${words}, a commit takes ${latency.toFixed(1)} ms${by}`);
    if (latency > 100)
      note(
        'store',
        'warn',
        `a commit takes ${Math.round(latency)} ms`,
        'Look at the disk, and at the network to it.',
      );
    await noteBackup(config, opened, note);
    const switches = await readSwitches(opened);
    await diagnose({ store: opened, config, switches, now: Date.now }, holder, note);
  } catch (error) {
    const { code } = (error ?? {}) as { code?: unknown };
    const words = wordsOf(error);
    const text = words.code === 'internal' && typeof code === 'string' ? `${place}: ${code}` : words.message;
    const file = 'Check that its folder exists and that this user may write it.';
    const database =
      'Check DATABASE_URL, that the server runs, and that this user may connect and write there.';
    note(
      'store',
      'fail',
      text,
      words.code === 'store-full' ? words.remedy : 'file' in where ? file : database,
    );
  } finally {
    await opened?.close();
    if ('file' in where) noteDisk(path.dirname(where.file), config.store.reserve, note);
  }
  return false;
};

/** Bytes; it is folded into the file at 16 MB where nobody reads an old moment of it. */
const longWal = 256 * 1024 ** 2;

const noteWal = (file: string, note: Note): void => {
  const size = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (size > longWal)
    note(
      'store',
      'warn',
      `its write-ahead log has grown to ${megabytes(size)}`,
      'Something reads an old moment of the store and does not end: a command or a tool that has it open. End that.',
    );
};

const megabytes = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MB`;

/** ms that a commit takes until it is durable: the median of a few. Leaves nothing behind. */
const commitTime = async (store: WholeStore): Promise<number> => {
  const key = { name: 'doctor' };
  const row = { ...key, value: {}, at: Date.now(), by: 'doctor' };
  const times: number[] = [];
  for (let i = 0; i < 5; i += 1) {
    const began = performance.now();
    await store.commit([{ when: [], write: [{ op: 'put', table: 'setting', row }] }]);
    times.push(performance.now() - began);
  }
  await store.commit([{ when: [], write: [{ op: 'delete', table: 'setting', key }] }]);
  return times.sort((a, b) => a - b)[2] ?? 0;
};

const noteBackup = async ({ backup }: Config, store: WholeStore, note: Note): Promise<void> => {
  const last = await lastBackup(store);
  if (backup === undefined) {
    note('backup', 'ok', 'none is scheduled');
    return;
  }
  const next = nextBackup(backup, last);
  const when = last === undefined ? 'there is none yet' : `the last is of ${new Date(last.at).toISOString()}`;
  if (last === undefined || isOverdue(next, Date.now()))
    note(
      'backup',
      'warn',
      `${when}, and one is due`,
      'Start the gateway; its alarms say why a backup fails.',
    );
  else if (last.differences > 0)
    note(
      'backup',
      'fail',
      `${when}; the store is not what lineage tells`,
      '`crosswalk store verify` tells each.',
    );
  else note('backup', 'ok', `${when}, ${megabytes(last.size)}, restored and verified: ${last.file}`);
};

const noteDisk = (folder: string, reserve: number, note: Note): void => {
  if (!existsSync(folder)) return;
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const state = free < Math.max(reserve, gigabyte / 4) ? 'fail' : free < 2 * gigabyte ? 'warn' : 'ok';
  const remedy = state === 'ok' ? '' : 'Make room: a full disk stops every hook from being accepted.';
  const isShort =
    free < reserve ? ', less than store.reserve: hooks are turned away, and nothing new is read' : '';
  note('disk', state, `${(free / gigabyte).toFixed(1)} GB free${isShort}`, remedy);
};

interface Clocks {
  /** ms by which a remote's clock was ahead of ours; the smallest seen. */
  skew: number | undefined;
}

/** How a kind differs from what is known of it. */
const noteSchema = (installation: Installation, one: LiveKind, note: Note): void => {
  const what = `schema of ${one.lane}`;
  if (one.live === null) {
    if (one.trouble === null) note(what, 'ok', 'as shipped; this kind cannot be asked');
    else {
      const { kind, detail } = one.trouble;
      const said = new CrosswalkError('drift-unasked', {
        kind: one.lane,
        said: `${kind}: ${detail.message}`,
      });
      note(
        what,
        'warn',
        said.message,
        'The connector’s README.md says which rights the credentials need for it.',
      );
    }
    return;
  }
  const { findings } = driftOf(one.lane, one.shipped, one.live, usesOf(installation, one.lane));
  const has = (severity: DriftFinding['severity']): boolean =>
    findings.some((each) => each.severity === severity);
  const state = has('error') ? 'fail' : has('warning') ? 'warn' : 'ok';
  const text = findings.length === 0 ? 'no drift' : `drift: ${driftCounts(findings)}`;
  note(what, state, text, findings.length === 0 ? '' : '`crosswalk check --live` tells each.');
};

interface Trial {
  readonly clocks: Clocks;
  /** The store is of an older release: it is not to be opened. */
  readonly isBehind: boolean;
  readonly note: Note;
}

/** One connection by itself; its answers tell what the remote's clock says. */
const tryConnection = async (
  installation: Installation,
  name: string,
  { clocks, isBehind, note }: Trial,
): Promise<void> => {
  const { config, connectors } = installation;
  const what = `connection ${name}`;
  const source = config.connections[name];
  if (source === undefined) return;
  const exchange = createExchange();
  const safe = openSafe(config, process.env);
  const send: typeof exchange.send = async (request, signal) => {
    const response = await exchange.send(request, signal);
    const said = Date.parse(response.headers['date'] ?? '');
    const skew = Math.abs(said - Date.now());
    if (!Number.isNaN(said) && skew < Math.abs(clocks.skew ?? Number.POSITIVE_INFINITY))
      clocks.skew = said - Date.now();
    return response;
  };
  let opened: Awaited<ReturnType<typeof openConnections>> | undefined;
  try {
    opened = await openConnections({ ...config, connections: { [name]: source } }, connectors, {
      environment: process.env,
      now: Date.now,
      random: Math.random,
      log: () => undefined,
      exchange: { send, close: () => exchange.close() },
      safe,
    });
    noteConnectionExpiries(opened.get(name), note);
    const session = opened.get(name)?.session;
    if (isBehind && session?.login !== undefined) {
      note(
        what,
        'warn',
        'not tried: what it is issued is kept in the store, which is of an older release',
        'Start the gateway, which brings the store along; then run this again.',
      );
      return;
    }
    const late = sleep(patience, undefined, { ref: false }).then(() => {
      throw new Trouble('unknown', { message: `no answer in ${patience / 1000} s` });
    });
    note(what, 'ok', String(await Promise.race([session?.check(), late])));
    if (session !== undefined)
      for (const one of await askSession(config, name, session)) noteSchema(installation, one, note);
    const { publicUrl } = config.server;
    if (session?.hooks === undefined) return;
    if (publicUrl === undefined)
      note(
        `hooks of ${name}`,
        'warn',
        'server.publicUrl is not set, so nobody outside knows where to send them',
        'Set server.publicUrl to the address under which the remote reaches this gateway.',
      );
    else note(`hooks of ${name}`, 'ok', `are awaited at ${publicUrl}/hooks/${name}`);
  } catch (error) {
    if (error instanceof Trouble) {
      const remedy =
        error.kind === 'forbidden'
          ? 'Renew the credentials; the connector’s README.md says where.'
          : 'Check the address in its settings, the network and the remote itself.';
      note(what, 'fail', `${error.kind}: ${error.detail.message}`, remedy);
    } else {
      const { message, remedy } = wordsOf(error);
      note(what, 'fail', message, remedy);
    }
  } finally {
    if (opened !== undefined) await closeConnections(opened);
    await safe.close();
  }
};

const noteClock = ({ skew }: Clocks, note: Note): void => {
  const remedy = 'Switch on time synchronisation (NTP): signatures of hooks and "newest" depend on it.';
  if (skew === undefined) {
    const old = new Date().getFullYear() < 2025;
    note(
      'clock',
      old ? 'fail' : 'ok',
      `${new Date().toISOString()}; no remote to compare it with`,
      old ? remedy : '',
    );
    return;
  }
  const seconds = Math.round(Math.abs(skew) / 1000);
  const state = seconds > 120 ? 'fail' : seconds > 5 ? 'warn' : 'ok';
  const text = seconds <= 1 ? 'agrees with the remotes' : `${seconds} s from the remotes`;
  note('clock', state, text, state === 'ok' ? '' : remedy);
};

/** Undefined where there is no store yet, or none that can be read: what is wrong with it has been noted by then. */
const switchesOf = async (config: Config): Promise<Switches | undefined> => {
  const where = whereIs(config, process.env);
  const store = await findStore(where, { readOnly: true }).catch(() => undefined);
  try {
    return store && (await readSwitches(store));
  } finally {
    await store?.close();
  }
};

/** Nothing is wrong with a sync that only plans, unless somebody waits for what it would write. */
const notePlanning = async (config: Config, note: Note): Promise<void> => {
  for (const { sync, text } of planningSyncs(config, await switchesOf(config)))
    note(`sync ${sync}`, 'warn', text);
};

export const doctor = async (options: Common): Promise<number> => {
  const findings: Finding[] = [];
  const note: Note = (what, state, text, remedy = '') => void findings.push({ what, state, text, remedy });
  note('Node.js', 'ok', process.versions.node);
  try {
    const installation = loadInstallation(options.dir, process.env);
    const { config } = installation;
    note('configuration', 'ok', config.file);
    const isBehind = await tryStore(config, note);
    // A store of an older release may lack the table that is asked.
    if (!isBehind) await noteKeys(config, note);
    const clocks: Clocks = { skew: undefined };
    await notePlanning(config, note);
    const trial: Trial = { clocks, isBehind, note };
    for (const name of Object.keys(config.connections)) await tryConnection(installation, name, trial);
    noteClock(clocks, note);
  } catch (error) {
    const { message, remedy } = wordsOf(error);
    note('configuration', 'fail', message, remedy);
  }
  const failed = findings.some((one) => one.state === 'fail');
  if (options.json) json({ ok: !failed, findings });
  else
    say(
      table(
        ['', 'what', '', 'what to do'],
        findings.map((one) => [one.state, one.what, one.text, one.remedy]),
      ),
    );
  return failed ? exits.wrong : exits.ok;
};
