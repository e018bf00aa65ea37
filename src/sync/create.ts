/** Effects of records that have no object in a system yet: matched with what is there, or made into create calls on disk. */
import { Trouble } from '../connector.ts';
import { lacksObject } from '../merge/deletion.ts';
import { delta } from '../merge/delta.ts';
import { isEmpty, placeAt, type LinkState, type RecordState } from '../merge/record.ts';
import { along } from '../trace.ts';
import { spendWrite } from './budget.ts';
import { commit, Draft } from './draft.ts';
import { drawUnnamed } from './awaited.ts';
import { touchAgain } from './gone.ts';
import { linksOf, loadHolds, loadRecord, type EffectRow, type Hub, type Sync } from './hub.ts';
import { callRow, tryAnew, writable } from './item.ts';
import { moneyIn, type Purse } from './money.ts';
import { related } from './relations.ts';
import type { Prepared } from './send.ts';
import { together } from './together.ts';

export const prepareCreates = async (
  hub: Hub,
  sync: Sync,
  effects: readonly EffectRow[],
  run: string,
  purse?: Purse,
): Promise<{ calls: Prepared[]; trouble?: Trouble }> => {
  // Searches before a create wait for the remote: a few at a time.
  const width = sync.kind.find === undefined ? undefined : 4;
  const prepared = await together(
    effects,
    async (effect): Promise<Prepared | Trouble | undefined> => {
      try {
        return await along({ trace: effect.trace }, () => prepareCreate(hub, sync, effect, run, purse));
      } catch (error) {
        if (error instanceof Trouble) return error;
        throw error;
      }
    },
    width,
  );
  const trouble = prepared.find((one) => one instanceof Trouble);
  const calls = prepared.filter((one) => one !== undefined && !(one instanceof Trouble)) as Prepared[];
  return { calls, ...(trouble === undefined ? {} : { trouble }) };
};

const prepareCreate = async (
  hub: Hub,
  sync: Sync,
  effect: EffectRow,
  run: string,
  purse: Purse | undefined,
): Promise<Prepared | undefined> => {
  const links = (await linksOf(hub, effect.record)).filter((link) => link.sync === sync.name);
  const live = links.find((link) => link.state === 'live');
  const record = await loadRecord(hub, effect.record);
  const draft = new Draft(hub, run);
  draft.expect('record', { id: record.id }, { version: record.version });
  // A live object, a deletion, or a sync that may not create any more: there is nothing to make.
  const isWanted =
    hub.mutation === 'create-deleted'
      ? links.length === 0
      : lacksObject(record, links, { ...sync, create: true });
  if (!isWanted || sync.kind.create === undefined) {
    draft.close(effect, 'superseded');
    if (live !== undefined) await draft.promise(sync.name, record, live.object);
    await commit(draft);
    return undefined;
  }
  const holds = await loadHolds(hub, record.id, sync.name, '');
  const { sync: own, outward } = await related(hub, sync, [], record);
  const fields = delta(record, null, own.lens, holds);
  await drawUnnamed(draft, sync, '', record.id, outward);
  const missing = sync.required.filter((field) => isEmpty(record.fields[field]?.value));
  const unnamed = sync.required.find((field) => outward.has(field));
  if (unnamed !== undefined) {
    const message = `${unnamed} waits for ${outward.get(unnamed)?.what ?? 'what it names'}`;
    const reason = { code: 'reference', message };
    draft.effect(effect, { ...effect, due: hub.now() + 60_000, reason });
    await commit(draft);
    return undefined;
  }
  if (missing.length > 0 || Object.keys(fields).length === 0) {
    const message = missing.length > 0 ? `${missing.join(', ')} must be filled first` : 'no field to write';
    draft.effect(effect, { ...effect, state: 'parked', reason: { code: 'incomplete', message } });
    draft.count(effect.run, { e_open: -1, e_parked: 1 });
    await commit(draft);
    return undefined;
  }
  if (await isBack(sync, links, draft, effect)) return undefined;
  if (await existsThere(hub, sync, record, draft, effect)) return undefined;
  const item = writable(draft, own, record, null, fields);
  if (item === undefined) {
    await commit(draft);
    return undefined;
  }
  tryAnew(draft, { sync: sync.name, object: '' }, holds, item);
  const call = callRow(hub, sync, item, effect);
  draft.effect(effect, { ...effect, call: call.id, attempts: effect.attempts + 1, reason: null });
  draft.put('call', { ...call });
  if (purse !== undefined && !(await purse.take(effect.run, moneyIn(item.fields)))) return undefined;
  await spendWrite(draft, sync, effect, item.fields);
  return (await commit(draft)) ? { call, most: effect.most } : undefined;
};

/** What was gone there, and may have been restored by now: the objects of a record that are there again. */
export const backThere = async ({ kind }: Sync, links: readonly LinkState[]): Promise<string[]> => {
  const gone = links.filter(({ state }) => state === 'gone').map(({ object }) => object);
  if (gone.length === 0 || kind.read === undefined) return [];
  const looks = await kind.read(gone.slice(-(kind.readMost ?? 100)));
  return [...looks].flatMap(([id, look]) => (look.is === 'object' || look.is === 'moved' ? [id] : []));
};

/** Before something is made anew: what was gone may have been restored, and then nothing is to be made. */
const isBack = async (
  sync: Sync,
  links: readonly LinkState[],
  draft: Draft,
  effect: EffectRow,
): Promise<boolean> => {
  const back = await backThere(sync, links);
  if (back.length === 0) return false;
  for (const object of back) touchAgain(draft, sync, object, 0, 'back before create');
  draft.effect(effect, { ...effect, due: draft.hub.now() + 5000 });
  await commit(draft);
  return true;
};

/**
 * Match before create: where the kind can be searched by a strong key, an unlinked object that holds the
 * same key is touched, so that intake links it, and the create waits for that.
 */
const existsThere = async (
  hub: Hub,
  sync: Sync,
  record: RecordState,
  draft: Draft,
  effect: EffectRow,
): Promise<boolean> => {
  const { find } = sync.kind;
  if (find === undefined || effect.attempts > 0) return false;
  for (const key of hub.entities.get(sync.entity)?.keys ?? []) {
    const query = new Map(
      key.flatMap((field) => {
        const value = record.fields[field]?.value ?? null;
        const pointers = sync.lens.pointers(field);
        const writing = sync.lens.write({ [field]: value }, null);
        if (isEmpty(value) || pointers.length !== 1 || writing.problems.length > 0) return [];
        const wire = sync.lens.shadow(writing.value);
        return pointers.map((pointer) => [pointer, placeAt(wire, pointer)] as const);
      }),
    );
    if (query.size !== key.length || ![...query.keys()].every((pointer) => find.pointers.includes(pointer)))
      continue;
    for (const id of await find.by(query)) {
      const link = await hub.store.get('link', { sync: sync.name, object: id });
      // One that was gone is there again: it is looked at before another is made.
      if (link !== undefined && link['state'] !== 'gone') continue;
      touchAgain(draft, sync, id, 0, 'found before create');
      draft.effect(effect, { ...effect, due: hub.now() + 5000, attempts: effect.attempts + 1 });
      return commit(draft);
    }
  }
  return false;
};
