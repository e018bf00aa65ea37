/** What a person decides about one thing that waits, by the id that reports show. Throws CrosswalkError `not-there`. */
import { CrosswalkError } from '../errors.ts';
import { replayNotice } from '../notify/notices.ts';
import type { Key } from '../store/schema.ts';
import type { Hub } from './hub.ts';
import { dropParked, replayEffect, replayParked, resolveConflict, type Choice } from './resolve.ts';
import { standingRun } from './runs.ts';

/** The id of a conflict or of a parked effect: its parts, each of which may hold a slash. */
export const idOf = (...parts: readonly string[]): string => parts.map(encodeURIComponent).join('/');

/** The parts of such an id; none of a text that is no such id. */
export const idParts = (id: string): string[] => {
  try {
    return id.split('/').map((part) => decodeURIComponent(part));
  } catch {
    return [];
  }
};

const split = (id: string): [string, string] => {
  const at = id.indexOf(':');
  return [id.slice(0, at), id.slice(at + 1)];
};

const people = (hub: Hub): Promise<string> => standingRun(hub, 'upkeep', 'people', new Set());

const insist = (done: boolean, what: string, id: string): void => {
  if (!done) throw new CrosswalkError('not-there', { what, id });
};

/** Tries a parked item, effect or notice again. */
export const replay = async (hub: Hub, id: string): Promise<void> => {
  const [what, rest] = split(id);
  const run = await people(hub);
  const [sync = '', record = '', object = ''] = what === 'effect' ? idParts(rest) : [];
  if (what === 'item') insist(await replayParked(hub, rest, run), 'parked item', id);
  else if (what === 'effect')
    insist(await replayEffect(hub, { sync, record, object }, run), 'parked effect', id);
  else insist(what === 'notice' && (await replayNotice(hub, rest)), 'parked notice', id);
};

/** Drops it for good; lineage keeps who did. */
export const drop = async (hub: Hub, id: string, by: string): Promise<void> => {
  const [what, rest] = split(id);
  const run = await people(hub);
  if (what === 'item') {
    insist((await dropParked(hub, rest, by, run)) !== undefined, 'parked item', id);
    return;
  }
  const [sync = '', record = '', object = ''] = idParts(rest);
  const key: Key = what === 'effect' ? { sync, record, object } : { id: rest };
  const table = what === 'effect' ? 'effect' : 'notice';
  const row = await hub.store.get(table, key);
  insist(row?.['state'] === 'parked', `parked ${what}`, id);
  const owner = what === 'effect' ? record : `notice:${rest}`;
  const body = { cause: `person:${by}`, version: 0, event: 'dropped', entries: [] };
  const counts =
    what === 'effect'
      ? [
          {
            op: 'add' as const,
            table: 'run' as const,
            key: { id: String(row?.['run']) },
            row: { e_parked: -1, e_superseded: 1 },
          },
        ]
      : [];
  const [done] = await hub.store.commit([
    {
      when: [{ table, key, is: { state: 'parked' } }],
      write: [
        { op: 'delete', table, key },
        ...(what === 'notice'
          ? [
              {
                op: 'delete' as const,
                table: 'parked' as const,
                key: { id: `say:${row?.['connection']}/${rest}` },
              },
            ]
          : []),
        { op: 'append', table: 'lineage', row: { record: owner, at: hub.now(), run, body } },
        ...counts,
      ],
    },
  ]);
  insist(done === true, `parked ${what}`, id);
};

/** Decides a conflict: `ours` is written to the remote, `theirs` becomes the record's value. */
export const resolve = async (hub: Hub, id: string, choice: Choice, by: string): Promise<void> => {
  const [record = '', field = '', sync = '', object = ''] = idParts(id);
  insist(
    await resolveConflict(hub, { record, field, sync, object }, choice, by, await people(hub)),
    'conflict',
    id,
  );
};
