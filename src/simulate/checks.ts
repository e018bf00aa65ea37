/** The promises, checked against the truth that the toy systems keep. Each returns sentences; none is good. */
import { imbalances } from '../merge/books.ts';
import { recordThen } from '../merge/history.ts';
import { replayDifferences, type LineageRow } from '../merge/lineage.ts';
import type { Json } from '../connector.ts';
import type { Lens } from '../mapping/lens.ts';
import { lacksObject } from '../merge/deletion.ts';
import { hashOf, isObject, same, type LinkState, type RecordState } from '../merge/record.ts';
import { linkOf, recordOf } from '../sync/hub.ts';
import { runOf } from '../sync/runs.ts';
import { toyLens } from './toy-lens.ts';
import { allFields, type ToyObject, type ToySystem } from './toy.ts';
import { wrongDeletions } from './deletions.ts';
import { wrongIdentities } from './identities.ts';
import { lostEdits } from './lost-edits.ts';
import { wrongUndos } from './undone.ts';
import { lostMembers } from './lost-members.ts';
import { isListField } from './toy-lists.ts';
import type { World } from './world.ts';

/** Stops edits and faults, lets everything come to rest, and checks all promises. */
export const finish = async (world: World): Promise<void> => {
  world.quiet = true;
  const say = (text: string): void => void world.violations.push(text);
  await world.joinRest();
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
  world.echoes = echoes;
  if (echoes > 0) say(`P10: a further pass wrote ${echoes} times`);
  await world.closeBooks();
  const state = await snapshot(world);
  [
    ...doubles(world, state),
    ...disagreements(world, state),
    ...shadows(world, state),
    ...replays(state),
  ].forEach(say);
  (await histories(world, state)).forEach(say);
  (await books(world)).forEach(say);
  wrongDeletions(world, state).forEach(say);
  lostEdits(world, state).forEach(say);
  (await wrongIdentities(world, state)).forEach(say);
  (await wrongUndos(world)).forEach(say);
  lostMembers(world, state).forEach(say);
  if (world.violations.length > 0) tell(world, state);
};

/** For a replay: the lineage of every record that a violation may concern. */
const tell = (world: World, state: Snapshot): void => {
  for (const [record, rows] of state.lineage) {
    const links = state.links.filter((link) => link.record === record).map((link) => link.object);
    if (!world.violations.some((text) => text.includes(record) || links.some((id) => text.includes(id))))
      continue;
    world.say(`-- ${record} ${links.join(' ')} ${JSON.stringify(state.records.get(record)?.fields)}`);
    for (const row of rows) {
      world.say(`   ${row.sync}/${row.object} v${row.version} ${row.cause} ${row.event ?? ''}`);
      for (const { field, verdict, ...rest } of row.entries)
        world.say(`      ${field} ${verdict} ${JSON.stringify(rest)}`);
    }
  }
};

export interface Snapshot {
  readonly records: Map<string, RecordState>;
  readonly links: LinkState[];
  readonly lineage: Map<string, LineageRow[]>;
  readonly held: Set<string>;
  readonly parked: Set<string>;
}

const all = 1_000_000;

const snapshot = async (world: World): Promise<Snapshot> => {
  const { store } = world;
  const records = (await store.list('record', 'entity', { where: { entity: 'person' }, limit: all })).map(
    recordOf,
  );
  const lineage = new Map<string, LineageRow[]>();
  const links: LinkState[] = [];
  const held = new Set<string>();
  for (const record of records) {
    const rows = await store.list('lineage', 'record', { where: { record: record.id }, limit: all });
    lineage.set(
      record.id,
      rows.map((row) => row['body'] as LineageRow),
    );
    links.push(
      ...(await store.list('link', 'record', { where: { record: record.id }, limit: all })).map(linkOf),
    );
    for (const row of await store.list('conflict', 'record', { where: { record: record.id }, limit: all })) {
      held.add(`${row['sync']}/${row['object']}/${row['field']}/${row['record']}`);
    }
  }
  const parked = new Set(
    (await store.list('effect', 'state', { where: { state: 'parked' }, limit: all })).map(
      (row) => `${row['sync']}/${row['record']}/${row['object']}`,
    ),
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

/** P8: whatever changed is found by polling alone. What a first scan hides, and nobody touches, only the next one can show. */
const missedByPolls = async (world: World): Promise<string[]> => {
  const missed: string[] = [];
  for (const system of world.systems.filter((one) => one.traits.polled)) {
    for (const object of system.objects.values()) {
      if (object.deleted || object.visibleAt > world.time || object.lastLookTick >= lastTick(object))
        continue;
      if (lastTick(object) <= (world.outages.unshown.get(object.id) ?? -1)) continue;
      missed.push(`P8: polling missed a change of ${object.id}`);
    }
  }
  return missed;
};

/** The last change that the gateway did not make itself. */
const lastTick = (object: ToyObject): number =>
  Math.max(
    ...Object.values(object.log).map((log) => log.findLast((event) => event.by !== 'gateway')?.tick ?? 0),
  );

/** Objects that one record's creates made in one system, where there is more than one: from the systems' own truth. */
const doubles = (world: World, state: Snapshot): string[] =>
  world.systems.flatMap((system) => {
    const made = new Map<string, string[]>();
    for (const object of system.objects.values()) {
      const record = object.createdBy === null ? undefined : world.sent.get(object.createdBy)?.record;
      if (record !== undefined) made.set(record, [...(made.get(record) ?? []), object.id]);
    }
    return [...made].flatMap(([record, ids]) => {
      // Deleted by a person before anyone could look: it is gone, and nothing tells that it ever was.
      // One that was made while two records were one may have gone to the other since: by its key, nobody knowing whose it was.
      const parted = partedFrom(state, record, system);
      const own = ids.filter((id) => !parted.has(id));
      const standing = own.filter((id, i) => i === own.length - 1 || !wasGone(system, id, own[i + 1]));
      const known = own.slice(0, -1).every((id) => state.links.some((link) => link.object === id));
      if (own.length > 1 && standing.length === 1 && !known)
        world.options.tally.exception('create deleted while unsettled');
      if (standing.length > 1 && known && !system.traits.readable) {
        world.options.tally.exception('restored unseen where nothing can be read');
        return [];
      }
      // An undo emptied the record meanwhile: then only what can be searched for tells.
      const isUndone = (state.lineage.get(record) ?? []).some(({ entries }) =>
        entries.some(({ verdict }) => verdict === 'undone'),
      );
      if (standing.length > 1 && editedBeyondSearch(system, standing, isUndone)) {
        world.options.tally.exception('create edited beyond search');
        return [];
      }
      return standing.length > 1 ? [`double: ${record} was created as ${ids.join(' and ')}`] : [];
    });
  });

/** Objects that an unmerge took from a record, and that are with another one since. */
const partedFrom = (state: Snapshot, record: string, system: ToySystem): Set<string> => {
  const { name } = system.traits;
  const away = state.links.filter((link) => link.sync === name && link.record !== record);
  const told = (state.lineage.get(record) ?? []).filter((row) => row.event === 'parted' && row.sync === name);
  return new Set(away.map(({ object }) => object).filter((id) => told.some(({ object }) => object === id)));
};

/** True if an object was deleted, or merged into another, when the next one was made, or up to the look just before. */
const wasGone = ({ objects }: ToySystem, id: string, next = ''): boolean => {
  const made = objects.get(next)?.createdAt ?? 0;
  const movedAt = objects.get(id)?.movedAt;
  if (movedAt !== undefined && movedAt <= made) return true;
  const lives = objects.get(id)?.lives.filter(({ at }) => at <= made) ?? [];
  const looked = lives.findLast(({ at }) => at <= made - 30_000);
  return looked?.deleted === true || lives.some(({ at, deleted }) => deleted && at > made - 30_000);
};

/** No anchor, and everything that the first create had sent was changed there before anyone looked. */
const editedBeyondSearch = (
  { traits, objects }: ToySystem,
  [first]: readonly string[],
  isUndone: boolean,
): boolean => {
  if (traits.anchored) return false;
  // Without a list of changes, only what can be searched for counts.
  const fields =
    traits.polled && !isUndone
      ? allFields
      : allFields.filter((field) => field === 'email' || field === 'name');
  const logs = fields.map((field) => objects.get(first ?? '')?.log[field] ?? []);
  const sent = logs.filter((log) => log[0]?.by === 'gateway' && log[0].value !== null);
  return sent.every(
    (log) =>
      !same(log[0]?.value ?? null, log[0]?.given ?? null) || log.some((event) => event.by !== 'gateway'),
  );
};

const isSame = (lens: Lens, field: string, theirs: Json, ours: Json): boolean =>
  same(theirs, ours) || same(theirs, lens.settle(field, ours));

/** Lists agree member by member, in any order; rows of its own that its mapping leaves there are no difference. */
const listsAgree = (system: ToySystem, field: string, theirs: Json, ours: Json): boolean => {
  const lens = toyLens(system.traits);
  const textsOf = (list: Json, settle: boolean): Map<string, string[]> =>
    new Map(
      (Array.isArray(list) ? list : []).map((one) => {
        const settled = settle ? lens.settle(field, [one]) : [one];
        const forms = [one, Array.isArray(settled) ? (settled[0] ?? null) : null].map(hashOf);
        return [hashOf(isObject(one) ? (one['line'] ?? null) : one), forms];
      }),
    );
  // An element is what the remote is declared to make of it, whether it has done so yet or not.
  const [there, here] = [textsOf(theirs, field === 'tags'), textsOf(ours, true)];
  const own = system.traits.missing === 'keep' && field === 'lines';
  const matched = [...here.values()].every((forms) =>
    [...there.values()].some((texts) => texts.some((text) => forms.includes(text))),
  );
  const more = [...there].filter(
    ([key, texts]) =>
      !(own && !here.has(key)) &&
      ![...here.values()].some((forms) => texts.some((text) => forms.includes(text))),
  );
  return matched && more.length === 0;
};

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
      const shown = lens.read(object.value).fields;
      for (const field of allFields) {
        const ours = record?.fields[field]?.value ?? null;
        const theirs = shown[field] ?? null;
        if (isListField(field) ? listsAgree(system, field, theirs, ours) : isSame(lens, field, theirs, ours))
          continue;
        if (state.held.has(`${link.sync}/${link.object}/${field}/${link.record}`)) continue;
        wrong.push(
          `P10: ${object.id}.${field} is ${JSON.stringify(theirs)}, the record says ${JSON.stringify(ours)}`,
        );
      }
    }
    for (const record of state.records.values()) {
      const own = state.links.filter((link) => link.record === record.id && link.sync === system.traits.name);
      const some = allFields.some((field) => (record.fields[field]?.value ?? null) !== null);
      const { resurrect } = world.deletes.get(system.traits.name) ?? {};
      const lacks = lacksObject(record, own, { create: true, resurrect });
      if (lacks && some && !state.parked.has(`${system.traits.name}/${record.id}/`)) {
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
      return known
        ? []
        : [`P4: the shadow of ${link.object}.${field} holds ${JSON.stringify(value)}, which was never there`];
    });
  });

/** P5: lineage replays to the store. */
const replays = (state: Snapshot): string[] =>
  [...state.records.values()].flatMap((record) =>
    replayDifferences(record, state.lineage.get(record.id) ?? []).map((text) => `P5: ${text}`),
  );

/** P5: what a record is said to have been by now is what it is: its links and holds too. */
const histories = async (world: World, state: Snapshot): Promise<string[]> => {
  const wrong: string[] = [];
  for (const [id, rows] of state.lineage) {
    const told = rows.map((body, seq) => ({ seq, at: 0, run: '', body }));
    const then = recordThen(told);
    const links = new Set(then.links.map((link) => `${link.sync}/${link.object} ${link.state}`));
    const stored = new Set(
      state.links
        .filter((link) => link.record === id)
        .map((link) => `${link.sync}/${link.object} ${link.state}`),
    );
    const holds = new Set(then.holds.map((hold) => `${hold.sync}/${hold.object}/${hold.field} ${hold.why}`));
    const rowsHeld = await world.store.list('conflict', 'record', { where: { record: id }, limit: all });
    const held = new Set(
      rowsHeld.map((row) => `${row['sync']}/${row['object']}/${row['field']} ${row['why']}`),
    );
    for (const [a, b, what] of [
      [links, stored, 'links'],
      [holds, held, 'holds'],
    ] as const) {
      for (const one of a.difference(b))
        wrong.push(`P5: ${id}: lineage tells of ${what} ${one}, the store does not`);
      for (const one of b.difference(a))
        wrong.push(`P5: ${id}: the store has ${what} ${one}, lineage does not`);
    }
  }
  return wrong;
};

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
