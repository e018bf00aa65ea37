/** The values that a field of a record has had, each over the one that stood before, as lineage tells them. */
import { isSetting, type Setting, type ToldRow } from './lineage.ts';
import type { Entry } from './record.ts';

/** What is to be undone: told of rows and of what they changed. */
export interface Scope {
  /** True if the row was committed within it. */
  row(told: ToldRow): boolean;
  /** True if what the entry changed was changed by it. */
  entry(told: ToldRow, entry: Entry): boolean;
}

/** One value that a field got, over the one that stood before; `below` is null where that was none. */
export interface Layer {
  readonly told: ToldRow;
  readonly entry: Setting;
  readonly below: Layer | null;
  /** Version of the change before it, whoever made it; 0 if it is the first. */
  readonly prior: number;
  /** True if the scope gave the field this value. */
  readonly scoped: boolean;
}

/** The values of one field. */
export interface Layers {
  /** The value that stands; null if none does. */
  readonly top: Layer | null;
  /** The latest change, which may have brought an older value back. */
  readonly last: { readonly told: ToldRow; readonly entry: Setting };
  /** True if the scope changed the field at any time. */
  readonly touched: boolean;
}

/**
 * The layers of every field. An undo outside of the scope takes away what it undid, so that runs can be
 * undone one after the other, newest first; one inside of it is a change like any other, so that an undo
 * can be undone.
 */
export const layersOf = (rows: readonly ToldRow[], scope: Scope): Map<string, Layers> => {
  const found = new Map<string, Layers>();
  /** What stood once a change was made, by its version. */
  const stood = new Map<string, Layer | null>();
  for (const told of rows) {
    for (const entry of told.body.entries) {
      if (!isSetting(entry)) continue;
      const { field, stands } = entry;
      const old = found.get(field);
      const scoped = scope.entry(told, entry);
      const touched = scoped || old?.touched === true;
      const again = stands === 0 ? null : stood.get(`${field}\n${stands}`);
      const isBack = entry.verdict === 'undone' && !scoped && stands !== undefined && again !== undefined;
      const prior = old?.last.entry.version ?? 0;
      const top = isBack ? again : { told, entry, below: old?.top ?? null, prior, scoped };
      stood.set(`${field}\n${entry.version}`, top);
      found.set(field, { top, last: { told, entry }, touched });
    }
  }
  return found;
};

/** The scope's changes that lie on top of each other, newest first; none if the value that stands is another's. */
export const chainOf = ({ top }: Layers): Layer[] => {
  const chain: Layer[] = [];
  for (let layer = top; layer?.scoped === true; layer = layer.below) chain.push(layer);
  return chain;
};
