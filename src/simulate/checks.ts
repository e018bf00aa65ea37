/** The promises, checked against the truth that the toy systems keep. Each returns sentences; none is good. */
import { imbalances } from '../merge/books.ts';
import { replayDifferences, type LineageRow } from '../merge/lineage.ts';
import { same, type Entry, type LinkState, type RecordState } from '../merge/record.ts';
import type { Json } from '../connector.ts';
import { linkOf, recordOf } from '../sync/hub.ts';
import { runOf } from '../sync/runs.ts';
import { normalised, toyFields, toyLens, type FieldEvent, type ToyObject, type ToySystem } from './toy.ts';
import type { World } from './world.ts';

/** Stops edits and faults, lets everything come to rest, and checks all promises. */
export const finish = async (world: World): Promise<void> => {
  world.quiet = true;
  const say = (text: string): void => void world.violations.push(text);
  world.dropHooks();
  await world.settle(['poll', 'in', 'out'], 40);
  // What changed in the last round may become visible only later: the declared lateness.
  await world.settle(['poll', 'in', 'out'], 1);
  await world.settle(['poll', 'in', 'out'], 1);
  (await missedByPolls(world)).forEach(say);
  // The first sweep may go on where a crash left one: only the second surely meets everything.
  await world.settle(['sweep', 'in', 'out'], 2);
  const rested = await world.settle(['sweep', 'in', 'out'], 40);
  if (!rested) say(`P10: not at rest: ${await stirring(world)}`);
  const writes = world.systems.reduce((sum, system) => sum + system.gatewayWrites, 0);
  await world.settle(['sweep', 'poll', 'in', 'out'], 2);
  const echoes = world.systems.reduce((sum, system) => sum + system.gatewayWrites, 0) - writes;
  if (echoes > 0) say(`P10: a further pass wrote ${echoes} times`);
  await world.closeBooks();
  const state = await snapshot(world);
  [...world.doubleCreates(), ...disagreements(world, state), ...shadows(world, state), ...replays(state)].forEach(say);
  (await books(world)).forEach(say);
  lostEdits(world, state).forEach(say);
  if (world.violations.length > 0) tell(world, state);
};

/** For a replay: the lineage of every record that a violation may concern. */
const tell = (world: World, state: Snapshot): void => {
  for (const [record, rows] of state.lineage) {
    const links = state.links.filter((link) => link.record === record).map((link) => link.object);
    if (!world.violations.some((text) => text.includes(record) || links.some((id) => text.includes(id)))) continue;
    world.say(`-- ${record} ${links.join(' ')} ${JSON.stringify(state.records.get(record)?.fields)}`);
    for (const row of rows) {
      world.say(`   ${row.sync}/${row.object} v${row.version} ${row.cause} ${row.event ?? ''}`);
      for (const { field, verdict, ...rest } of row.entries) world.say(`      ${field} ${verdict} ${JSON.stringify(rest)}`);
    }
  }
};

interface Snapshot {
  readonly records: Map<string, RecordState>;
  readonly links: LinkState[];
  readonly lineage: Map<string, LineageRow[]>;
  readonly held: Set<string>;
  readonly parked: Set<string>;
}

const all = 1_000_000;

const snapshot = async (world: World): Promise<Snapshot> => {
  const { store } = world;
  const records = (await store.list('record', 'entity', { where: { entity: 'person' }, limit: all })).map(recordOf);
  const lineage = new Map<string, LineageRow[]>();
  const links: LinkState[] = [];
  const held = new Set<string>();
  for (const record of records) {
    const rows = await store.list('lineage', 'record', { where: { record: record.id }, limit: all });
    lineage.set(record.id, rows.map((row) => row['body'] as LineageRow));
    links.push(...(await store.list('link', 'record', { where: { record: record.id }, limit: all })).map(linkOf));
    for (const row of await store.list('conflict', 'record', { where: { record: record.id }, limit: all })) {
      held.add(`${row['sync']}/${row['object']}/${row['field']}/${row['record']}`);
    }
  }
  const parked = new Set(
    (await store.list('effect', 'state', { where: { state: 'parked' }, limit: all })).map((row) => `${row['sync']}/${row['record']}/${row['object']}`),
  );
  return { records: new Map(records.map((record) => [record.id, record])), links, lineage, held, parked };
};

const stirring = async (world: World): Promise<string> => {
  const effects = [
    ...(await world.store.list('effect', 'state', { where: { state: 'open' }, limit: 3 })),
    ...(await world.store.list('effect', 'state', { where: { state: 'unsettled' }, limit: 3 })),
  ];
  return `${await world.touches()} touches, effects ${JSON.stringify(effects)}`;
};

/** P8: whatever changed is found by polling alone. */
const missedByPolls = async (world: World): Promise<string[]> => {
  const missed: string[] = [];
  for (const system of world.systems.filter((one) => one.traits.polled)) {
    for (const object of system.objects.values()) {
      if (object.deleted || object.visibleAt > world.time || object.lastLookTick >= lastTick(object)) continue;
      missed.push(`P8: polling missed a change of ${object.id}`);
    }
  }
  return missed;
};

/** The last change that the gateway did not make itself. */
const lastTick = (object: ToyObject): number =>
  Math.max(...Object.values(object.log).map((log) => log.findLast((event) => event.by !== 'gateway')?.tick ?? 0));

/** P10: linked objects agree under the mapping, or diverge as declared, or are parked with a reason. */
const disagreements = (world: World, state: Snapshot): string[] => {
  const wrong: string[] = [];
  for (const system of world.systems) {
    const lens = toyLens(system.traits);
    for (const object of system.objects.values()) {
      if (object.deleted) continue;
      const link = state.links.find((one) => one.sync === system.traits.name && one.object === object.id);
      if (link === undefined || link.state !== 'live') {
        wrong.push(`P10: ${object.id} is not linked (${link?.state ?? 'no link'})`);
        continue;
      }
      const record = state.records.get(link.record);
      if (link.call !== null) wrong.push(`P10: ${object.id} still has a call`);
      if (state.parked.has(`${link.sync}/${link.record}/${link.object}`)) continue;
      for (const field of toyFields) {
        const ours = record?.fields[field]?.value ?? null;
        const theirs = object.value[field] ?? null;
        if (same(theirs, ours) || same(theirs, lens.settle(field, ours))) continue;
        if (state.held.has(`${link.sync}/${link.object}/${field}/${link.record}`)) continue;
        wrong.push(`P10: ${object.id}.${field} is ${JSON.stringify(theirs)}, the record says ${JSON.stringify(ours)}`);
      }
    }
    for (const record of state.records.values()) {
      const linked = state.links.some((link) => link.record === record.id && link.sync === system.traits.name);
      const some = Object.values(record.fields).some((field) => field.value !== null);
      if (!linked && some && !state.parked.has(`${system.traits.name}/${record.id}/`)) {
        wrong.push(`P10: ${record.id} has no object in ${system.traits.name}`);
      }
    }
  }
  return wrong;
};

/** P4: a shadow shows only what the remote really showed. */
const shadows = (world: World, state: Snapshot): string[] =>
  state.links.flatMap((link) => {
    const object = world.systems.find((one) => one.traits.name === link.sync)?.objects.get(link.object);
    return Object.entries(link.shadow).flatMap(([field, value]) => {
      const log = object?.log[field] ?? [];
      const known = log.some((event) => same(event.value, value) || same(event.given, value));
      return known ? [] : [`P4: the shadow of ${link.object}.${field} holds ${JSON.stringify(value)}, which was never there`];
    });
  });

/** P5: lineage replays to the store. */
const replays = (state: Snapshot): string[] =>
  [...state.records.values()].flatMap((record) => replayDifferences(record, state.lineage.get(record.id) ?? []).map((text) => `P5: ${text}`));

/** P6: every run has closed and balances. */
const books = async (world: World): Promise<string[]> => {
  const runs = (await world.store.list('run', 'at', { where: {}, limit: all })).map(runOf);
  return runs.flatMap((run) => {
    const wrong = imbalances(run);
    if (run.open > 0) wrong.push(`${run.open} items are open`);
    if (run.effects.open > 0) wrong.push(`${run.effects.open} effects are open`);
    return wrong.map((text) => `P6: ${run.id}: ${text}`);
  });
};

// ---------------------------------------------------------------- P9

interface Told {
  readonly row: LineageRow;
  readonly entry: Entry;
}

/** P9: no edit by a person vanishes. */
const lostEdits = (world: World, state: Snapshot): string[] => {
  const lost: string[] = [];
  const bySource = new Map<string, Told[]>();
  for (const rows of state.lineage.values()) {
    for (const row of rows) {
      for (const entry of row.entries) {
        const key = `${row.sync}/${row.object}/${entry.field}`;
        const list = bySource.get(key);
        if (list === undefined) bySource.set(key, [{ row, entry }]);
        else list.push({ row, entry });
      }
    }
  }
  for (const system of world.systems) {
    for (const object of system.objects.values()) {
      for (const field of toyFields) {
        const log = object.log[field] ?? [];
        log.forEach((event, i) => {
          if (event.by !== 'person' || object.deleted) return;
          const told = bySource.get(`${system.traits.name}/${object.id}/${field}`) ?? [];
          const why = fateOf(world, state, system, object, { field, event, log, i, told });
          if (why !== undefined) lost.push(`P9: ${object.id}.${field} = ${JSON.stringify(event.given)}: ${why}`);
        });
      }
    }
  }
  for (const rows of state.lineage.values()) lost.push(...supersededUnseen(world, rows), ...wronglyNewest(world, rows));
  return lost;
};

interface EditCase {
  readonly field: string;
  readonly event: FieldEvent;
  readonly log: readonly FieldEvent[];
  readonly i: number;
  readonly told: readonly Told[];
}

/** Undefined if the edit's fate is accounted for. */
const fateOf = (world: World, state: Snapshot, system: ToySystem, object: ToyObject, edit: EditCase): string | undefined => {
  const { event, log, i, told, field } = edit;
  const forms = [event.value, normalised(system.traits, field, event.value)];
  const named = told.some(({ entry }) =>
    [entry.theirs ?? null, entry.after ?? null].some((value) => forms.some((form) => same(value, form) || same(normalised(system.traits, field, value), form))),
  );
  if (named) return undefined;
  const next = log.slice(i + 1).find((later) => later.by !== 'self');
  if (next?.by === 'person') return undefined;
  const link = state.links.find((one) => one.sync === system.traits.name && one.object === object.id);
  const record = link === undefined ? undefined : state.records.get(link.record);
  const ours = record?.fields[field]?.value ?? null;
  if (next === undefined) {
    // Still there: agreement is checked by P10.
    return undefined;
  }
  const lastSeen = event.lastLooked;
  if (lastSeen !== undefined && forms.some((form) => same(form, lastSeen) || same(form, normalised(system.traits, field, lastSeen)))) return undefined;
  if (forms.some((form) => same(form, ours)) || equalToOurs(state, system, link, field, forms)) return undefined;
  if (!system.traits.readable && !system.traits.guarded) {
    world.options.tally.exception('kind without read or guard');
    return undefined;
  }
  if (next.lastLookTick >= event.tick) return `it was seen, no lineage names it, and ${next.call} wrote ${JSON.stringify(next.given)} over it`;
  if (system.traits.guarded) return `${next.call} wrote ${JSON.stringify(next.given)} over it on a guarded remote`;
  world.options.tally.exception('unguarded window');
  return undefined;
};

/** The edit typed what the record held already at some time: nothing to take. */
const equalToOurs = (
  state: Snapshot,
  { traits }: ToySystem,
  link: LinkState | undefined,
  field: string,
  forms: readonly Json[],
): boolean =>
  (state.lineage.get(link?.record ?? '') ?? []).some((row) =>
    row.entries.some((entry) => {
      const after = entry.after ?? null;
      return entry.field === field && forms.some((form) => same(after, form) || same(normalised(traits, field, after), form));
    }),
  );

/** A value that was taken as "changed there only" must have replaced something that its author could see. */
const supersededUnseen = (world: World, rows: readonly LineageRow[]): string[] =>
  rows.flatMap((row) =>
    row.entries.flatMap((entry) => {
      if (entry.verdict !== 'took' || entry.rule !== 'changed there only' || entry.before === null || entry.before === undefined) return [];
      const system = world.systems.find((one) => one.traits.name === row.sync);
      const log = system?.objects.get(row.object ?? '')?.log[entry.field] ?? [];
      if (system === undefined || !byPerson(world, entry.field, entry.before)) return [];
      const forms = [entry.before, normalised(system.traits, entry.field, entry.before)];
      const shown = log.some((event) => forms.some((form) => same(event.value, form) || same(event.given, form)));
      if (shown) return [];
      return [`P9: ${row.object}.${entry.field} = ${JSON.stringify(entry.after)} replaced ${JSON.stringify(entry.before)}, which it had never shown`];
    }),
  );

const byPerson = (world: World, field: string, value: Json): boolean =>
  world.systems.some((system) =>
    [...system.objects.values()].some((object) => (object.log[field] ?? []).some((event) => event.by === 'person' && same(event.value, value))),
  );

/** Where `newest` decided, the value that won was really typed later. */
const wronglyNewest = (world: World, rows: readonly LineageRow[]): string[] =>
  rows.flatMap((row) =>
    row.entries.flatMap((entry) => {
      if (entry.rule !== 'newest') return [];
      const theirs = entry.verdict === 'took' ? entry.after : entry.theirs;
      const ours = entry.verdict === 'took' ? entry.before : entry.after;
      const log = world.systems.find((one) => one.traits.name === row.sync)?.objects.get(row.object ?? '')?.log[entry.field];
      const there = log?.findLast((event) => same(event.value, theirs ?? null));
      // A value that somebody decided for counts from the decision, not from when it was typed.
      const decided = rows.some(({ entries }) => entries.some((one) => one.field === entry.field && one.rule?.startsWith('decided') === true && same(one.after ?? null, ours ?? null)));
      const here = decided ? undefined : typedAt(world, entry.field, ours ?? null, entry.at?.to ?? 0);
      if (there?.by !== 'person' || here === undefined) return [];
      const right = entry.verdict === 'took' ? there.at >= here : there.at <= here;
      return right ? [] : [`P9: newest chose wrongly for ${row.object}.${entry.field}: ${JSON.stringify(theirs)} against ${JSON.stringify(ours)}`];
    }),
  );

/** When a person typed a value, if exactly one ever did, and before some time. */
const typedAt = (world: World, field: string, value: Json, before: number): number | undefined => {
  const events = world.systems.flatMap((system) =>
    [...system.objects.values()].flatMap((object) => (object.log[field] ?? []).filter((event) => event.by === 'person' && same(event.value, value))),
  );
  const [only, ...more] = events;
  return only === undefined || more.length > 0 || only.at > before ? undefined : only.at;
};
