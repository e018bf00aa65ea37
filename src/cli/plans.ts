/** reroute, remap, repair, plan show, plan apply: changes of records that somebody approves before they are made. */
import type { Config } from '../config.ts';
import { CrosswalkError } from '../errors.ts';
import { evaluate } from '../evaluator.ts';
import type { View } from '../health/reports.ts';
import type { Installation } from '../installation.ts';
import { conditionsFault, type Conditions } from '../mapping/conditions.ts';
import { expression } from '../mapping/expressions.ts';
import { nearest } from '../mapping/nearest.ts';
import type { Hub } from '../sync/hub.ts';
import { applyPlan, itemsOf, makePlan, type PlanItem, type Planner } from '../sync/planned.ts';
import { remapPlanner } from '../sync/remap.ts';
import { repairPlanner, type Repair } from '../sync/repair.ts';
import { reroutePlanner } from '../sync/reroute.ts';
import { runOf, type Run } from '../sync/runs.ts';
import { savedKind } from '../sync/saved.ts';
import { withView } from './asking.ts';
import { me } from './deciding.ts';
import { hubOf } from './hub.ts';
import { exits, fail, json, say, table } from './output.ts';
import { applySaved } from './saved-plans.ts';
import type { Common } from './program.ts';

/** Items that a terminal is shown; `--json` gives all. */
const most = 50;

const shown = (value: unknown): string => {
  const text = JSON.stringify(value ?? null);
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
};

const tellItems = (items: readonly PlanItem[]): void => {
  const rows = items.flatMap((one) =>
    one.changes.map((change) => [
      one.item,
      one.moved && one.state === 'proposed' ? 'proposed anew' : one.state,
      one.label,
      change.field,
      `${shown(change.before)} → ${shown(change.after)}`,
      change.why,
    ]),
  );
  say(table(['item', 'state', 'record', 'field', 'change', 'why'], rows.slice(0, most)));
  if (rows.length > most) say(`and ${rows.length - most} more: --json gives all`);
};

const planRun = async ({ store }: View, plan: string): Promise<Run> => {
  const row = await store.get('run', { id: plan });
  if (row === undefined || (await store.count('plan_item', 'plan', { plan })) === 0)
    throw new CrosswalkError('not-there', { what: 'plan', id: plan });
  return runOf(row);
};

const isGuarded = (config: Config, { entity, field }: Pick<Repair, 'entity' | 'field'>): boolean =>
  Object.hasOwn(config.entities[entity]?.protect ?? {}, field);

/** The planner that made a plan. */
const plannerOf = (hub: Hub, { id, kind, subject }: Run, { entities, config }: Installation): Planner => {
  if (kind === 'repair') {
    const repair = JSON.parse(subject) as Repair;
    const entity = entities.get(repair.entity);
    if (entity !== undefined) return repairPlanner(hub, entity, repair, isGuarded(config, repair), evaluate);
  }
  const [name = '', field] = subject.split('#');
  const sync = hub.syncs.get(name);
  if (kind === 'remap' && sync !== undefined) return remapPlanner(hub, sync);
  if (kind !== 'reroute' || sync === undefined)
    throw new CrosswalkError('not-there', { what: 'planner of', id: `${id} (${kind} ${subject})` });
  return reroutePlanner(hub, sync, field);
};

const collect = async (view: View, plan: string): Promise<readonly PlanItem[]> => {
  const items: PlanItem[] = [];
  for await (const one of itemsOf(view, plan)) items.push(one);
  return items.sort((a, b) => (a.item < b.item ? -1 : 1));
};

/** Makes a plan and tells it. `nothing` is said where no record needs a change. */
const propose = async (
  options: Common,
  view: View,
  hub: Hub,
  planner: Planner,
  nothing: string,
): Promise<number> => {
  const made = await makePlan(hub, planner);
  const items = made.plan === null ? [] : await collect(view, made.plan);
  if (options.json) json({ ...made, proposed: items });
  else if (made.plan === null) say(`${made.looked} records looked at: ${nothing}`);
  else {
    tellItems(items);
    say(
      `${made.items} of ${made.looked} records would change. Nothing has changed yet: crosswalk plan apply ${made.plan}`,
    );
  }
  return exits.ok;
};

export const reroute = (options: Common & { field?: string }, name: string): Promise<number> =>
  withView(options, async (view, installation) => {
    const hub = hubOf(view, installation);
    const sync = hub.syncs.get(name);
    if (sync === undefined) throw new CrosswalkError('not-there', { what: 'sync', id: name });
    const planner = reroutePlanner(hub, sync, options.field);
    return propose(options, view, hub, planner, 'each is where the tables would put it');
  });

export const remap = (options: Common, name: string): Promise<number> =>
  withView(options, async (view, installation) => {
    const hub = hubOf(view, installation);
    const sync = hub.syncs.get(name);
    if (sync === undefined) throw new CrosswalkError('not-there', { what: 'sync', id: name });
    const code = await propose(
      options,
      view,
      hub,
      remapPlanner(hub, sync),
      'each is as the mapping reads it',
    );
    // Whoever was told that the mapping has changed has now seen what comes of it.
    await view.switches.clear(`mapping ${name}`);
    return code;
  });

/** The conditions of --where. */
const whereOf = (text: string | undefined): Conditions => {
  if (text === undefined) return {};
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    given = undefined;
  }
  const fault = conditionsFault(given);
  if (fault === null) return given as Conditions;
  throw new CrosswalkError('usage', { detail: `--where ${fault}` });
};

export const repair = (
  options: Common & { field?: string; expression?: string; where?: string },
  name: string,
): Promise<number> =>
  withView(options, async (view, installation) => {
    const entity = installation.entities.get(name);
    if (entity === undefined) throw new CrosswalkError('not-there', { what: 'entity', id: name });
    const { field = '', expression: text = '' } = options;
    const where = whereOf(options.where);
    const strange = [field, ...Object.keys(where)].find((one) => !entity.fields.has(one));
    if (strange !== undefined) {
      const near = nearest(strange, entity.fields.keys());
      const hint = near === undefined ? '' : `; did you mean ${near}?`;
      throw new CrosswalkError('usage', {
        detail: `entity ${name} has no field ${JSON.stringify(strange)}${hint}`,
      });
    }
    const fault = expression.fault?.(text) ?? null;
    if (text === '' || fault !== null)
      throw new CrosswalkError('usage', { detail: `--expression ${fault ?? 'takes a JSONata expression'}` });
    const hub = hubOf(view, installation);
    const repair: Repair = { entity: name, field, expression: text, where };
    const planner = repairPlanner(hub, entity, repair, isGuarded(installation.config, repair), evaluate);
    return propose(options, view, hub, planner, 'each holds what the expression gives, or is not meant');
  });

export const planShow = (options: Common, plan: string): Promise<number> =>
  withView(options, async (view) => {
    const run = await planRun(view, plan);
    const items = await collect(view, plan);
    if (options.json) json({ run, items });
    else {
      say(`${run.kind} ${run.subject}: ${run.state}`);
      tellItems(items);
    }
    return exits.ok;
  });

export const planApply = (options: Common & { item?: string; by?: string }, plan: string): Promise<number> =>
  withView(options, async (view, installation) => {
    const hub = hubOf(view, installation);
    const run = await planRun(view, plan);
    if (
      options.item !== undefined &&
      (await view.store.get('plan_item', { plan, item: options.item })) === undefined
    )
      throw new CrosswalkError('not-there', { what: `item of plan ${plan}`, id: options.item });
    const { outcomes, stopped } =
      run.kind === savedKind
        ? await applySaved(options, plan)
        : {
            outcomes: await applyPlan(
              hub,
              plannerOf(hub, run, installation),
              plan,
              me(options),
              options.item,
            ),
            stopped: undefined,
          };
    const count = (is: string): number => outcomes.filter((one) => one.is === is).length;
    const open = (await collect(view, plan)).filter((one) => one.state === 'proposed');
    if (options.json && stopped === undefined) json({ plan, outcomes, proposed: open });
    else if (!options.json) {
      say(
        `${count('applied')} applied, ${count('dropped')} not needed any more, ${open.length} still proposed`,
      );
      if (open.length > 0) {
        tellItems(open);
        say('they have moved since they were proposed, or were not asked for; approve them as they are now');
      }
      if (count('applied') > 0 && run.kind !== savedKind)
        say('what follows in the systems is delivered by the gateway, as for any change');
    }
    if (stopped !== undefined) return fail(stopped, options.json);
    return count('moved') + count('overtaken') > 0 ? exits.wrong : exits.ok;
  });
