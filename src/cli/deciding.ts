/** parked, conflicts, pause, resume: what people decide. A running gateway sees it within a second. */
import { CrosswalkError } from '../errors.ts';
import { rulesOf } from '../config.ts';
import { newId } from '../gateway.ts';
import { conflictsReport, parkedOne, parkedReport, type View } from '../health/reports.ts';
import type { Installation } from '../installation.ts';
import { compile } from '../mapping/compile.ts';
import { drop, replay, resolve } from '../sync/decide.ts';
import type { Hub, Sync } from '../sync/hub.ts';
import { withView } from './asking.ts';
import { exits, json, say, table, warn } from './output.ts';
import type { Common } from './program.ts';

/** A hub for decisions: real syncs over kinds that can do nothing. Nothing is sent from here; the gateway does that. */
export const hubOf = (view: View, { config, mappings, entities }: Installation): Hub => {
  const syncs = Object.values(config.syncs).flatMap((sync): [string, Sync][] => {
    const document = mappings.get(sync.mapping);
    const entity = entities.get(sync.entity);
    if (document === undefined || entity === undefined) return [];
    const one: Sync = {
      name: sync.name,
      connection: sync.connection,
      lane: `${sync.connection}/${sync.kind}`,
      kindName: sync.kind,
      kind: { schema: {} },
      entity: sync.entity,
      lens: compile(document, entity, null),
      rules: rulesOf(config, sync),
      inward: sync.direction !== 'out',
      outward: sync.direction !== 'in' && view.switches.isLive(sync),
      create: sync.create,
      required: [],
    };
    return [[sync.name, one]];
  });
  return {
    store: view.store,
    syncs: new Map(syncs),
    entities: new Map(
      Object.values(config.entities).map(({ name, keys, protect }) => [name, { name, keys, protect }]),
    ),
    now: Date.now,
    newId,
    random: Math.random,
    nudge: () => undefined,
    alarm: (subject, text) => warn(`${subject}: ${text}`),
  };
};

/** Who decides, as they are called in lineage. */
export const me = (options: { by?: string }): string => options.by ?? process.env['USER'] ?? 'cli';

const done = (options: Common, text: string): number => {
  if (options.json) json({ ok: true });
  else say(text);
  return exits.ok;
};

export const parkedList = (options: Common): Promise<number> =>
  withView(options, async (view) => {
    const parked = await parkedReport(view);
    if (options.json) json({ parked });
    else
      say(
        parked.length === 0
          ? 'nothing is parked'
          : table(
              ['id', 'where', 'code', 'why', 'since'],
              parked.map((one) => [one.id, one.where, one.code, one.message, new Date(one.at).toISOString()]),
            ),
      );
    return exits.ok;
  });

export const parkedShow = (options: Common, id: string): Promise<number> =>
  withView(options, async (view) => {
    const found = await parkedOne(view, id);
    if (options.json) json(found);
    else say(`${found.where}\n${found.code}: ${found.message}\n${JSON.stringify(found.input, null, 2)}`);
    return exits.ok;
  });

export const parkedReplay = (options: Common, id: string): Promise<number> =>
  withView(options, async (view, installation) => {
    await replay(hubOf(view, installation), id);
    return done(options, `${id} is tried again`);
  });

export const parkedDrop = (options: Common & { yes?: boolean; by?: string }, id: string): Promise<number> =>
  withView(options, async (view, installation) => {
    if (options.yes !== true)
      throw new CrosswalkError('usage', { detail: 'drop gives the item up for good; add --yes' });
    await drop(hubOf(view, installation), id, me(options));
    return done(options, `${id} was dropped; lineage keeps who did`);
  });

export const conflictsList = (options: Common & { all?: boolean }): Promise<number> =>
  withView(options, async (view) => {
    const conflicts = await conflictsReport(view, options.all === true);
    if (options.json) json({ conflicts });
    else {
      const rows = conflicts.map((one) => [
        one.id,
        one.label,
        one.field,
        one.why,
        JSON.stringify(one.ours),
        `${one.sync}: ${JSON.stringify(one.theirs)}`,
        new Date(one.at).toISOString(),
      ]);
      say(
        conflicts.length === 0
          ? 'no conflicts'
          : table(['id', 'record', 'field', 'why', 'ours', 'theirs', 'since'], rows),
      );
    }
    return exits.ok;
  });

export const conflictsResolve = (
  options: Common & { ours?: boolean; theirs?: boolean; by?: string },
  id: string,
): Promise<number> =>
  withView(options, async (view, installation) => {
    if (options.ours === options.theirs)
      throw new CrosswalkError('usage', { detail: 'say --ours or --theirs' });
    await resolve(hubOf(view, installation), id, options.ours === true ? 'ours' : 'theirs', me(options));
    return done(options, `decided: ${options.ours === true ? 'ours' : 'theirs'}`);
  });

const known = (view: View, name: string): void => {
  const { connections, syncs } = view.config;
  if (!Object.hasOwn(connections, name) && !Object.hasOwn(syncs, name))
    throw new CrosswalkError('not-there', { what: 'connection or sync', id: name });
};

export const pause = (options: Common & { why?: string }, name: string): Promise<number> =>
  withView(options, async (view) => {
    known(view, name);
    await view.switches.pause(name, options.why ?? 'paused by hand', me({}), Date.now());
    return done(
      options,
      `${name} is paused; nothing is lost meanwhile. Start it again with: crosswalk resume ${name}`,
    );
  });

export const resume = (options: Common, name: string): Promise<number> =>
  withView(options, async (view) => {
    known(view, name);
    await view.switches.resume(name);
    return done(options, `${name} goes on`);
  });
