/** What people do in the systems of an installation: they file, often the same in two systems, edit, clear, delete. */
import type { JsonObject } from '../connector.ts';
import { putAt, segmentsOf, valueAt } from '../mapping/place.ts';
import type { Installed, Side } from './installation.ts';
import type { ModelObject } from './model.ts';
import type { Sample } from './samples.ts';

/** A field that people fill in, at a side. */
export interface Turn {
  readonly side: Side;
  readonly sample: Sample;
}

/** Puts into `value` what `filled` holds at these places. */
const fill = (value: JsonObject, filled: JsonObject, pointers: readonly string[]): void => {
  for (const pointer of pointers) {
    const place = segmentsOf(pointer) ?? [];
    putAt(value, place, valueAt(filled, place) ?? null);
  }
};

export class Staff {
  readonly #world: Installed;
  /** What somebody has filled in anew: `<sync>/<object>/<field>`. */
  readonly #edited = new Set<string>();

  constructor(world: Installed) {
    this.#world = world;
  }

  /** A person files something, often in two systems; returns where, if it was one. */
  file(): Side | undefined {
    const world = this.#world;
    const side = world.pick(world.sides.filter(({ samples, sync }) => samples.length > 0 && sync.inward));
    if (side === undefined) return undefined;
    const { sync, model, samples, own } = side;
    const keys = new Set(world.hub.entities.get(sync.entity)?.keys.flat());
    const value = structuredClone(own);
    for (const sample of samples)
      if (keys.has(sample.field) || world.chance(0.7))
        fill(value, sample.filled(world), sync.lens.pointers(sample.field));
    model.create(value, null);
    const others = world.sides.filter((one) => one.sync.entity === sync.entity && one.model !== model);
    const other = world.pick(others.filter((one) => one.sync.inward));
    // In calm the two do not differ, and what the gateway creates is not filed.
    const isLeft = world.isCounting ? other?.sync.create === true : !world.chance(0.4);
    if (other === undefined || isLeft) return side;
    const { fields } = sync.lens.read(value);
    const same = Object.entries(fields).filter(
      ([field]) => keys.has(field) || world.isCounting || world.chance(0.8),
    );
    const second = structuredClone(other.own);
    const places = other.sync.lens.write(Object.fromEntries(same), null).value;
    for (const field of other.sync.lens.outward)
      if (same.some(([name]) => name === field)) fill(second, places, other.sync.lens.pointers(field));
    if (!world.isCounting)
      for (const { field, filled } of other.samples)
        if (!keys.has(field) && world.chance(0.1))
          fill(second, filled(world), other.sync.lens.pointers(field));
    other.model.create(second, null);
    return undefined;
  }

  /** A person changes or empties a field of something. */
  edit(): void {
    const world = this.#world;
    const side = world.pick(world.sides);
    const sample = world.pick(side?.samples ?? []);
    const object = world.pick(side?.model.live().filter((one) => one.isKnown) ?? []);
    if (side === undefined || object === undefined || sample === undefined) return;
    this.#edit(side, object, sample, world.chance(0.08) ? sample.cleared : sample.filled(world));
  }

  /** A person fills in this field anew, of something where nobody has yet; false where there is none. */
  editOnce({ side, sample }: Turn): boolean {
    const world = this.#world;
    const nameOf = ({ id }: ModelObject): string => `${side.sync.name}/${id}/${sample.field}`;
    const object = world.pick(
      side.model.live().filter((one) => one.isKnown && !this.#edited.has(nameOf(one))),
    );
    if (object === undefined) return false;
    this.#edited.add(nameOf(object));
    return this.#edit(side, object, sample, sample.filled(world));
  }

  /** Every field that people fill in, at every side. */
  turns(): Turn[] {
    return this.#world.sides.flatMap((side) => side.samples.map((sample) => ({ side, sample })));
  }

  #edit(side: Side, object: ModelObject, sample: Sample, filled: JsonObject): boolean {
    const { lens } = side.sync;
    if (!lens.applies(object.value)) return false;
    const value = structuredClone(object.value);
    fill(value, filled, lens.pointers(sample.field));
    side.model.change(object, value);
    side.edits.set(sample.field, (side.edits.get(sample.field) ?? 0) + 1);
    return true;
  }

  /** A person deletes something. */
  remove(): void {
    const world = this.#world;
    const model = world.pick([...world.models.values()]);
    const object = world.pick(model?.live().filter((one) => one.isKnown) ?? []);
    if (model !== undefined && object !== undefined) model.remove(object);
  }
}
