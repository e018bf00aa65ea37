/** Systems that are connected, or begin to be written, when the others have worked for a while. */
import { isShared } from '../merge/guard.ts';
import type { LinkState } from '../merge/record.ts';
import type { Store } from '../store/store.ts';
import type { Dice } from './draw.ts';
import type { ToySystem } from './toy.ts';

export class Joining {
  /** By system: from which step on it takes part, and how it stood aside before. */
  readonly #later = new Map<string, { readonly step: number; readonly how: 'absent' | 'planned' }>();
  /** What a system held when it joined: the addresses that it knew already. */
  readonly #standing = new Map<string, ReadonlyMap<string, string>>();

  constructor(dice: Dice, systems: readonly ToySystem[]) {
    for (const { traits } of systems.slice(1)) {
      if (!dice.chance(0.7)) continue;
      const how = dice.chance(0.5) ? ('absent' as const) : ('planned' as const);
      this.#later.set(traits.name, { step: 10 + Math.floor(dice.random() * 90), how });
    }
  }

  /** `absent`: there is no sync yet. `planned`: it reads and merges, and writes nothing. */
  standing(name: string): 'absent' | 'planned' | 'in' {
    return this.#later.get(name)?.how ?? 'in';
  }

  /** The systems that take part from this step on. */
  due(step: number, systems: readonly ToySystem[]): string[] {
    const joined: string[] = [];
    for (const system of systems) {
      const { name } = system.traits;
      const later = this.#later.get(name);
      if (later?.step !== step) continue;
      this.#later.delete(name);
      joined.push(name);
      // One that was read all along is past its first reading.
      if (later.how === 'planned') continue;
      const known = [...system.objects.values()].flatMap(({ id, deleted, value }): [string, string][] =>
        deleted || typeof value['email'] !== 'string' || isShared(value['email'])
          ? []
          : [[value['email'], id]],
      );
      this.#standing.set(name, new Map(known));
    }
    return joined;
  }

  /** The step at which the last of them takes part; 0 if none is still to come. */
  get last(): number {
    return Math.max(0, ...[...this.#later.values()].map(({ step }) => step));
  }

  /** A create for an address that stood there from the beginning, while nobody has taken that object in. */
  async doubled(system: ToySystem, email: unknown, store: Store): Promise<string | undefined> {
    const id = this.#standing.get(system.traits.name)?.get(String(email));
    const object = id === undefined ? undefined : system.objects.get(id);
    const stood = object !== undefined && object.lives.length === 0 && object.movedTo === undefined;
    if (id === undefined || !stood || object.value['email'] !== email) return undefined;
    const link = (await store.get('link', { sync: system.traits.name, object: id })) as LinkState | undefined;
    return link === undefined ? `double: created ${String(email)}, which stood there as ${id}` : undefined;
  }
}
