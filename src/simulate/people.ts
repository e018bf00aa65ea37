/**
 * What people do: in the toy systems they file, edit, put back, clear, delete; at the hub they decide conflicts
 * and undo. Values are unique, so that each can be followed.
 */
import type { Json } from '../connector.ts';
import { deletedField } from '../merge/deletion.ts';
import type { LineageRow } from '../merge/lineage.ts';
import { isEmpty, type Entry } from '../merge/record.ts';
import { resolveConflict } from '../sync/resolve.ts';
import { standingRun } from '../sync/runs.ts';
import type { UndoScope } from '../sync/scope.ts';
import { openUndo } from '../sync/undo.ts';
import { allFields, type ToyHook, type ToySystem } from './toy.ts';
import { editedList, filedList, isListField, type Hand } from './toy-lists.ts';
import type { World } from './world.ts';

const placeholders = ['0', 'N/A', 'none', '暂无', '-'];

export class People {
  readonly #world: World;
  #values = 0;
  /** Hooks of deletions that arrive long after. */
  readonly #late: { readonly system: ToySystem; readonly hook: ToyHook }[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  /** For lists. */
  #hand(): Hand {
    const world = this.#world;
    return {
      random: () => world.random(),
      chance: (p) => world.chance(p),
      pick: (list) => world.pick(list),
      next: () => (this.#values += 1),
    };
  }

  #value(field: string): Json {
    if (isListField(field)) return filedList(field, this.#hand());
    this.#values += 1;
    const n = this.#values;
    if (field === 'email' && !this.#world.isPaced) {
      const roll = this.#world.random();
      // What people type who have none, and what many share: neither is a key.
      if (roll < 0.04) return placeholders[n % placeholders.length] ?? '0';
      return roll < 0.05 ? 'info@x.cn' : roll < 0.2 ? `Same${n % 7}@x.cn` : `M${n}@x.cn`;
    }
    if (field === 'email') return `M${n}@x.cn`;
    const text = `${field === 'stage' ? 's' : 'Nn'}${n}`;
    return field !== 'stage' && this.#world.chance(0.4) ? ` ${text} ` : text;
  }

  file(): void {
    const system = this.#world.pick(this.#world.systems);
    if (system === undefined) return;
    const other = this.#world.pick(this.#world.systems.flatMap((one) => [...one.objects.values()]));
    const email =
      !this.#world.isPaced && this.#world.chance(0.3) && other !== undefined
        ? other.value['email']
        : this.#value('email');
    const value = Object.fromEntries(
      allFields.map((field) => [
        field,
        field === 'email' ? (email ?? null) : this.#world.chance(0.7) ? this.#value(field) : null,
      ]),
    );
    const object = system.create(value, 'person', this.#world.time, null);
    this.#world.say(`person files ${object.id} ${JSON.stringify(value)}`);
    this.#world.send(system);
  }

  edit(): void {
    const system = this.#world.pick(this.#world.systems);
    const object = this.#world.pick([...(system?.objects.values() ?? [])].filter((one) => !one.deleted));
    const field = this.#world.pick(allFields);
    if (system === undefined || object === undefined || field === undefined) return;
    const old = this.#world.pick(object.log[field] ?? [])?.given ?? null;
    const roll = this.#world.isPaced ? 1 : this.#world.random();
    const value = isListField(field)
      ? editedList(field, this.#hand(), object.value[field] ?? null, [old])
      : roll < 0.06
        ? null
        : roll < 0.14
          ? old
          : this.#value(field);
    this.#world.say(`person edits ${object.id}.${field} = ${JSON.stringify(value)}`);
    system.change(object, { [field]: value }, 'person', this.#world.time, null);
    this.#world.send(system);
  }

  /** Deletes something, or takes something out of the bin. */
  remove(): void {
    const world = this.#world;
    for (const { system, hook } of this.#late.splice(0)) system.hooks.push(hook);
    const system = world.pick(world.systems);
    const objects = [...(system?.objects.values() ?? [])];
    const binned = objects.filter((one) => one.deleted && one.movedTo === undefined);
    const restores = binned.length > 0 && world.fault('restored', 0.3);
    // Rather what people filed than what the gateway made of it, or nothing is left that it could remove.
    const isOwn = world.chance(0.7);
    const standing = objects.filter((one) => !one.deleted && (!isOwn || one.createdBy === null));
    const object = world.pick(restores ? binned : standing);
    if (system === undefined || object === undefined) return;
    world.say(`person ${restores ? 'restores' : 'deletes'} ${object.id}`);
    system.live(object, !restores, 'person', world.time);
    const [hook] = system.hooks.slice(-1);
    if (hook !== undefined && world.fault('deletion hook doubled', 0.2)) system.hooks.push(hook);
    if (hook !== undefined && world.fault('deletion hook late', 0.2))
      this.#late.push({ system, hook: system.hooks.pop() ?? hook });
    world.send(system);
  }

  /** Decides one conflict, if there is one. */
  async resolve(): Promise<void> {
    const world = this.#world;
    const rows = await world.store.list('conflict', 'open', { where: { open: 1 }, limit: 5 });
    const row = world.pick(rows);
    if (row === undefined) return;
    const key = {
      record: String(row['record']),
      field: String(row['field']),
      sync: String(row['sync']),
      object: String(row['object']),
    };
    const choice = world.chance(0.5) ? 'ours' : 'theirs';
    world.say(`person decides ${JSON.stringify(key)}: ${choice}`);
    await world.guarded(async () => {
      const run = await standingRun(world.hub, 'upkeep', 'people', new Set());
      return resolveConflict(world.hub, key, choice, 'sim', run);
    });
  }

  /** Undoes a run, a span of time, or what came from a system; sometimes an undo. */
  async undo(): Promise<void> {
    const world = this.#world;
    const scope = await this.#scope();
    if (scope === undefined) return;
    world.say(`person undoes ${JSON.stringify(scope)}`);
    await world.guarded(() => openUndo(world.hub, scope, 'sim'));
  }

  async #scope(): Promise<UndoScope | undefined> {
    const world = this.#world;
    const roll = world.random();
    const span = { from: world.time - Math.floor(world.random() * 600_000), to: world.time };
    if (roll < 0.15) return span;
    if (roll > 0.8) return this.#deletion();
    const sync = world.pick([...world.hub.syncs.keys()]);
    if (roll < 0.3)
      return sync === undefined ? undefined : { connection: sync, ...(roll < 0.25 ? span : {}) };
    const runs = await world.store.list('run', 'at', { where: {}, newest: true, limit: 20 });
    const undos = runs.filter((row) => row['kind'] === 'undo');
    const run = world.pick(roll < 0.45 && undos.length > 0 ? undos : runs);
    return run === undefined ? undefined : { run: String(run['id']) };
  }

  /** The run in which a record was last deleted. */
  async #deletion(): Promise<UndoScope | undefined> {
    const rows = await this.#world.store.list('lineage', 'at', { where: {}, newest: true, limit: 300 });
    const deletes = ({ field, verdict, after }: Entry): boolean =>
      field === deletedField && verdict === 'took' && !isEmpty(after);
    const row = rows.find(({ body }) => (body as LineageRow).entries.some(deletes));
    return row === undefined ? undefined : { run: String(row['run']) };
  }
}
