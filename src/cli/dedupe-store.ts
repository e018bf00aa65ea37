/** The records of an entity in an installation's store, to be searched for duplicates. */
import { CrosswalkError } from '../errors.ts';
import { loadInstallation, type Installation } from '../installation.ts';
import { guessSort } from '../identity/guess.ts';
import type { DedupeSettings } from '../identity/settings.ts';
import type { SortName } from '../identity/sorts.ts';
import type { Standing } from '../identity/survivor.ts';
import { TableBuilder } from '../identity/table.ts';
import type { Entity } from '../mapping/document.ts';
import { nearest } from '../mapping/nearest.ts';
import { findStore, openStore, placeWords, whereIs } from '../store/open.ts';
import type { Group, Store } from '../store/store.ts';
import { isStanding } from '../merge/deletion.ts';
import { endOfLineage, keepModel, scored, textOf } from '../sync/alike.ts';
import { apartBy } from '../sync/candidates.ts';
import { recordOf } from '../sync/hub.ts';
import type { Asked, DedupeOptions, Outcome, Subject } from './dedupe.ts';
import { chooseFields } from './dedupe-fields.ts';
import { me } from './deciding.ts';
import { exits, say } from './output.ts';

/** Records a page, and candidates a commit. */
const page = 1000;

/** By the field's name and the schema: a list of words is no likeness, and a `name` that is personal is a person's. */
const guessField = (entity: Entity, name: string): SortName | null => {
  const schema = entity.fields.get(name) ?? {};
  if (Array.isArray(schema['enum']) || entity.history.has(name)) return null;
  const type = schema['type'];
  if (type !== 'string' && !(Array.isArray(type) && type.includes('string'))) return null;
  const sort = guessSort(name, []);
  return sort === 'person' && schema['personal'] !== true ? 'company' : sort === 'category' ? null : sort;
};

const entityOf = ({ entities }: Installation, name: string): Entity => {
  const found = entities.get(name);
  if (found !== undefined) return found;
  const near = nearest(name, entities.keys());
  throw new CrosswalkError('config-unknown', {
    what: 'entity',
    name,
    where: '',
    hint: near === undefined ? '' : `; did you mean ${near}?`,
  });
};

/** Records that have a live link to a connection: what the rule `system` asks. */
const recordsIn = async (
  store: Store,
  { config }: Installation,
  connection: string,
): Promise<Set<string>> => {
  const found = new Set<string>();
  for (const sync of Object.values(config.syncs).filter((one) => one.connection === connection)) {
    let after: string | undefined;
    for (;;) {
      const links = await store.list('link', 'sync', {
        where: { sync: sync.name },
        limit: page,
        ...(after === undefined ? {} : { after }),
      });
      for (const link of links) if (link['state'] === 'live') found.add(String(link['record']));
      if (links.length < page) break;
      after = String(links.at(-1)?.['object']);
    }
  }
  return found;
};

const read = async (
  store: Store,
  installation: Installation,
  entity: Entity,
  asked: readonly Asked[] | null,
): Promise<Subject> => {
  const settings = installation.config.entities[entity.name]?.dedupe;
  const set = settings?.fields ?? null;
  const wanted = asked ?? (set === null ? null : Object.entries(set).map(([name, sort]) => ({ name, sort })));
  const known = [...entity.fields.keys()];
  const chosen = chooseFields(wanted, known, `of ${entity.name}`, (name) => guessField(entity, name));
  const builder = new TableBuilder(chosen.fields);
  const ids: string[] = [];
  const times: { created: number; updated: number }[] = [];
  for (let after = ''; ;) {
    const where = { entity: entity.name };
    const rows = await store.list('record', 'entity', { where, after, limit: page });
    for (const record of rows.map(recordOf)) {
      after = record.id;
      if (!isStanding(record)) continue;
      builder.add(chosen.fields.map(({ name }) => textOf(record.fields[name]?.value)));
      ids.push(record.id);
      const changes = Object.values(record.fields).map(({ at }) => at.to);
      times.push({
        created: record.at,
        updated: changes.reduce((last, at) => Math.max(last, at), record.at),
      });
    }
    if (rows.length < page) break;
  }
  if (ids.length === 0)
    throw new CrosswalkError('dedupe-nothing', { detail: `there is no ${entity.name} in the store` });
  const table = builder.end();
  const survivor = settings?.survivor ?? 'complete';
  const system = typeof survivor === 'object' ? survivor.system : null;
  const there = system === null ? new Set<string>() : await recordsIn(store, installation, system);
  const id = (record: number): string => ids[record] ?? '';
  const standing = (record: number): Standing => ({
    created: times[record]?.created ?? Number.NaN,
    updated: times[record]?.updated ?? Number.NaN,
    filled: table.columns.reduce((sum, { form }) => sum + (form[record] === 0 ? 0 : 1), 0),
    systems: system !== null && there.has(id(record)) ? [system] : [],
    id: id(record),
  });
  return { table, sources: [{ what: entity.name, records: ids.length }], ...chosen, id, standing };
};

/**
 * Keeps what was found as candidates. One that the engine has raised for a strong key keeps its reason; those of an
 * earlier search that were not found again go. Explanations name fields, not values: those stand in the records.
 */
const save = async (store: Store, entity: string, { subject, pairs, learnt }: Outcome): Promise<number> => {
  const old = await store.list('candidate', 'entity', { where: { entity }, limit: 10_000_000 });
  const known = new Map(old.map((row) => [`${row['a']} ${row['b']}`, row]));
  const groups: Group[] = [];
  const at = Date.now();
  let count = 0;
  for (const [i, one] of pairs.a.entries()) {
    const [a = '', b = ''] = [subject.id(one), subject.id(pairs.b[i] ?? 0)].sort();
    if ((await apartBy({ store }, a, b)) !== undefined) continue;
    count += 1;
    const row = scored(learnt.scorer.explain(one, pairs.b[i] ?? 0));
    const exact = known.get(`${a} ${b}`)?.['score'] === null;
    known.delete(`${a} ${b}`);
    const key = { entity, a, b };
    groups.push({
      when: [],
      write: [
        exact
          ? { op: 'set', table: 'candidate', key, row }
          : { op: 'put', table: 'candidate', row: { ...key, why: 'alike', at, ...row } },
      ],
    });
  }
  for (const row of known.values())
    if (row['score'] !== null && row['why'] === 'alike')
      groups.push({
        when: [],
        write: [
          { op: 'delete', table: 'candidate', key: { entity, a: String(row['a']), b: String(row['b']) } },
        ],
      });
  for (let from = 0; from < groups.length; from += page) await store.commit(groups.slice(from, from + page));
  return count;
};

/** Searches the records of an entity; the store is only read, but with --save. */
export const fromStore = async (
  entity: string,
  options: DedupeOptions,
  asked: readonly Asked[] | null,
  finish: (subject: Subject, base: DedupeSettings) => Promise<Outcome>,
): Promise<number> => {
  const installation = loadInstallation(options.dir, process.env);
  const one = entityOf(installation, entity);
  const where = whereIs(installation.config, process.env);
  const reading = await findStore(where, { readOnly: true });
  if (reading === undefined) throw new CrosswalkError('store-missing', { file: placeWords(where) });
  let subject: Subject;
  let began = 0;
  try {
    began = await endOfLineage(reading);
    subject = await read(reading, installation, one, asked);
  } finally {
    await reading.close();
  }
  const base = installation.config.entities[entity]?.dedupe;
  if (base === undefined) throw new CrosswalkError('internal', { detail: `no settings of entity ${entity}` });
  const outcome = await finish(subject, base);
  if (options.save !== true) return exits.ok;
  const store = await openStore(where);
  try {
    const count = await save(store, entity, outcome);
    const { model } = outcome.learnt;
    await keepModel(store, { entity, model, at: Date.now() }, began, me({}));
    if (!options.json)
      say(
        `${count} candidates are kept in the store; what arrives from now on is compared by what was learnt`,
      );
  } finally {
    await store.close();
  }
  return exits.ok;
};
