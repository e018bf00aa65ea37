/**
 * At most one record with a flag (merge/one.ts), kept by the commit: who has it is a row among the strong keys, so that
 * two that get it at once cannot both, and whoever had it gives way in the same group.
 */
import type { Merged } from '../merge/merge.ts';
import { givenWay, oneKey, onesOf, type OneRule, type Ones, type Rival } from '../merge/one.ts';
import { isEmpty, same, type LinkState, type RecordState } from '../merge/record.ts';
import type { Draft } from './draft.ts';
import { linksOf, loadRecord, recordOf, type Hub, type Sync } from './hub.ts';

const holderOf = async (hub: Hub, entity: string, key: string): Promise<string | undefined> => {
  const row = await hub.store.get('strong_key', { entity, key });
  return row === undefined ? undefined : String(row['record']);
};

/** False for a row from before, when the configuration did not ask for one: nobody has kept it since. */
const hasIt = async (hub: Hub, rule: OneRule, holder: string, key: string): Promise<boolean> =>
  onesOf(rule, await loadRecord(hub, holder)).some((one) => one.key === key);

const rivalOf = async (hub: Hub, sync: Sync, flag: string, holder: string): Promise<Rival | undefined> => {
  const { fields } = await loadRecord(hub, holder);
  const state = fields[flag];
  if (state?.value !== true) return undefined;
  const own = (await linksOf(hub, holder)).filter((one) => one.sync === sync.name && one.state === 'live');
  const isShown = own.some((link) => (link.seen[flag] ?? 0) >= state.version);
  return { record: holder, at: state.at, moved: !isShown };
};

/** Who has the flags that this look may set; undefined for an entity without such flags. */
export const rivalsOf = async (
  draft: Draft,
  sync: Sync,
  record: RecordState,
  shown: Readonly<Record<string, RecordState['fields'][string]['value']>>,
): Promise<Ones | undefined> => {
  const { hub } = draft;
  const rule = hub.entities.get(sync.entity)?.one;
  if (rule === undefined) return undefined;
  const rivals = new Map<string, Rival>();
  for (const [flag, by] of Object.entries(rule)) {
    if (shown[flag] !== true) continue;
    for (const named of new Set([record.fields[by]?.value, shown[by]])) {
      if (named === undefined || isEmpty(named)) continue;
      const key = oneKey(flag, named);
      const holder = await holderOf(hub, sync.entity, key);
      if (holder === record.id) continue;
      // Who has it must still have it when this is committed.
      draft.expect(
        'strong_key',
        { entity: sync.entity, key },
        holder === undefined ? null : { record: holder },
      );
      const rival = holder === undefined ? undefined : await rivalOf(hub, sync, flag, holder);
      if (rival !== undefined) rivals.set(key, rival);
    }
  }
  return { rule, rivals };
};

/** A record that comes to where another has the flag, or back to life, does not take it from there. */
export const giveWay = async (
  draft: Draft,
  sync: Sync,
  link: Pick<LinkState, 'object'>,
  merged: Merged,
  version: number,
): Promise<Merged> => {
  const { hub } = draft;
  const rule = hub.entities.get(sync.entity)?.one;
  if (rule === undefined) return merged;
  const changed = [...merged.changed];
  const entries = [...merged.entries];
  let own = merged.record;
  for (const { flag, key } of onesOf(rule, own)) {
    const holder = await holderOf(hub, sync.entity, key);
    if (merged.changed.includes(flag) || holder === undefined || holder === own.id) continue;
    if (!(await hasIt(hub, rule, holder, key))) continue;
    const at = { from: hub.now() - 1, to: hub.now() };
    const source = `${sync.name}/${link.object}`;
    const { record, entry } = givenWay(own, flag, { record: holder, version, at, source });
    own = record;
    changed.push(flag);
    entries.push(entry);
  }
  return own === merged.record ? merged : { ...merged, record: own, changed, entries, echo: false };
};

/** The record claims its flags, and gives up those that it has no more; whoever has one of them loses it by this group. */
export const claimOnes = async (
  draft: Draft,
  before: RecordState | null,
  after: RecordState,
): Promise<void> => {
  const { hub } = draft;
  const { entity, id } = after;
  const rule = hub.entities.get(entity)?.one;
  if (rule === undefined) return;
  const now = onesOf(rule, after);
  for (const { flag, key } of now) {
    const holder = await holderOf(hub, entity, key);
    if (holder === id) continue;
    draft.expect('strong_key', { entity, key }, holder === undefined ? null : { record: holder });
    draft.put('strong_key', { entity, key, record: id });
    if (holder !== undefined) await drawYield(draft, after, flag, holder);
  }
  for (const { key } of before === null ? [] : onesOf(rule, before)) {
    if (now.some((one) => one.key === key) || (await holderOf(hub, entity, key)) !== id) continue;
    draft.expect('strong_key', { entity, key }, { record: id }).delete('strong_key', { entity, key });
  }
};

/**
 * Claims the flags of records that had them before the configuration asked for one, once. Nothing moves by it: where
 * several have one, the first keeps it, an alarm tells, and the others give way when they are changed next.
 */
export const claimFormer = async (hub: Hub): Promise<void> => {
  for (const { name, one = {} } of hub.entities.values()) {
    const setting = { name: `one:${name}` };
    const before = (await hub.store.get('setting', setting))?.['value'] as OneRule | undefined;
    if (same({ ...before }, { ...one })) continue;
    const more = await claimAll(hub, name, one);
    for (const [flag, records] of more) {
      const some = records.slice(0, 3).join(', ');
      const text = `${records.length} records of ${name} have ${flag} set, and another of the same ${one[flag]} has it too (${some}${records.length > 3 ? ' …' : ''}): set it where it belongs; the others lose it when they are changed next`;
      hub.alarm(`one ${name}`, text);
    }
    const row = { ...setting, value: one, at: hub.now(), by: 'crosswalk' };
    await hub.store.commit([{ when: [], write: [{ op: 'put', table: 'setting', row }] }]);
  }
};

const page = 500;

/** By flag, the records that have it where another does. */
const claimAll = async (hub: Hub, entity: string, rule: OneRule): Promise<Map<string, string[]>> => {
  const more = new Map<string, string[]>();
  let after = '';
  for (;;) {
    const rows = await hub.store.list('record', 'entity', { where: { entity }, after, limit: page });
    for (const record of rows.map(recordOf)) {
      for (const { flag, key } of onesOf(rule, record)) {
        const holder = await holderOf(hub, entity, key);
        if (holder === record.id) continue;
        const isFree = holder === undefined || !(await hasIt(hub, rule, holder, key));
        const is = holder === undefined ? null : { record: holder };
        const put = {
          op: 'put' as const,
          table: 'strong_key' as const,
          row: { entity, key, record: record.id },
        };
        const group = { when: [{ table: 'strong_key' as const, key: { entity, key }, is }], write: [put] };
        if (isFree && (await hub.store.commit([group]))[0] === true) continue;
        more.set(flag, [...(more.get(flag) ?? []), record.id]);
      }
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < page) return more;
    after = String(last['id']);
  }
};

const drawYield = async (draft: Draft, winner: RecordState, flag: string, holder: string): Promise<void> => {
  const before = await loadRecord(draft.hub, holder);
  const won = winner.fields[flag];
  if (before.fields[flag]?.value !== true || won === undefined) return;
  const { at, source } = won;
  const version = before.version + 1;
  const { record, entry } = givenWay(before, flag, { record: winner.id, version, at, source });
  // Its key is the winner's by now.
  await draft.record(before, record, 'held');
  draft.lineage(holder, { cause: `one ${winner.id}`, version, entries: [entry] });
  await draft.promiseAll(record, [flag], null);
};
