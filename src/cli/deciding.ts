/** parked, conflicts, pause, resume, publish: what people decide. A running gateway sees it within a second. */
import { CrosswalkError } from '../errors.ts';
import { amountText } from '../mapping/amounts.ts';
import { conflictsReport, parkedOne, parkedReport, type View } from '../health/reports.ts';
import { grantOpen } from '../sync/budget.ts';
import { drop, replay, resolve } from '../sync/decide.ts';
import { forgiveIds } from '../sync/ids.ts';
import { allWrites } from '../sync/switches.ts';
import { withView } from './asking.ts';
import { hubOf } from './hub.ts';
import { exits, json, say, table } from './output.ts';
import type { Common } from './program.ts';

/** Who decides, as lineage names them. */
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
    else
      say(
        `${found.where}\n${found.code}: ${found.message}\n${found.remedy}\n${JSON.stringify(found.input, null, 2)}`,
      );
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
      for (const { message, remedy } of conflicts)
        if (message !== undefined) say(`${message} ${remedy ?? ''}`);
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

/** What can be paused: a connection, the writing of a sync, or `all` writing. */
const known = (view: View, name: string): string => {
  const { connections, syncs } = view.config;
  if (name === 'all') return allWrites;
  if (!Object.hasOwn(connections, name) && !Object.hasOwn(syncs, name))
    throw new CrosswalkError('not-there', { what: 'connection or sync', id: name });
  return name;
};

export const pause = (options: Common & { why?: string }, name: string): Promise<number> =>
  withView(options, async (view) => {
    await view.switches.pause(known(view, name), options.why ?? 'paused by hand', me({}), Date.now());
    return done(
      options,
      `${name} is paused; nothing is lost meanwhile. Start it again with: crosswalk resume ${name}`,
    );
  });

export const resume = (
  options: Common & { overBudget?: boolean; by?: string },
  name: string,
): Promise<number> =>
  withView(options, async (view, installation) => {
    const key = known(view, name);
    if (options.overBudget === true) {
      const sync = Object.hasOwn(view.config.syncs, name) ? view.config.syncs[name] : undefined;
      if (sync === undefined)
        throw new CrosswalkError('usage', { detail: '--over-budget goes with the name of a sync' });
      const propagates = sync.deletes === 'propagate';
      const own = hubOf(view, installation).syncs.get(name);
      const grant = await grantOpen(view, name, propagates, me(options), own);
      const { creates, updates, removes, amount } = grant;
      await view.switches.resume(key);
      const sums = Object.entries(amount).map(([currency, units]) => `, ${amountText(units, currency)}`);
      const money = sums.join('');
      const removed = propagates || removes > 0 ? ` and ${removes} removals` : '';
      return done(
        options,
        `${name} goes on, with ${creates} creates and ${updates} updates${removed}${money} above its budget`,
      );
    }
    await view.switches.resume(key);
    if (key === allWrites) {
      await view.switches.clear('ids');
      await forgiveIds(view, Object.keys(view.config.syncs));
    }
    return done(options, `${name} goes on`);
  });

export const publish = (
  options: Common & { withdraw?: boolean; by?: string },
  name: string,
): Promise<number> =>
  withView(options, async (view) => {
    const sync = Object.hasOwn(view.config.syncs, name) ? view.config.syncs[name] : undefined;
    if (sync === undefined) throw new CrosswalkError('not-there', { what: 'sync', id: name });
    if (sync.direction === 'in' || sync.modeGiven)
      throw new CrosswalkError('publish-cannot', {
        sync: name,
        detail: sync.direction === 'in' ? 'only reads' : `says "mode: ${sync.mode}" in its file`,
      });
    if (options.withdraw === true) {
      await view.switches.withdraw(name);
      return done(options, `${name} only plans again: it reads and merges, and writes nothing`);
    }
    await view.switches.publish(name, me(options), Date.now());
    return done(options, `${name} is live: it writes from now on, and catches up with what it has missed`);
  });
