/** When the members of a list were changed, as far as it is known: what `newest` asks of a row, a cell, an element. */
import type { Json } from '../connector.ts';
import { changesOf, type Listed } from './lists.ts';
import type { FieldState, Span } from './record.ts';

/** By path (see `changesOf`); `''` is everything that has no span of its own. */
export type Spans = Readonly<Record<string, Span>>;

/** A list that is changed all over keeps one span for all of it, rather than grow without end. */
const most = 200;

const hull = (spans: readonly Span[]): Span => ({
  from: Math.min(...spans.map(({ from }) => from)),
  to: Math.max(...spans.map(({ to }) => to)),
});

/** What a field carries besides its value once it gets another within `span`: the spans of a list that had members. */
export const spansAfter = (
  listed: Listed | null,
  old: FieldState | undefined,
  value: Json,
  span: Span,
): { readonly spans?: Spans } => {
  if (listed === null || old === undefined || old.value === null) return {};
  const { shape } = listed;
  const changed = changesOf(shape, old.value, value);
  const renewed = changed.map(({ path }) => path);
  // A row that came or went takes its cells along.
  const kept = Object.entries(old.spans ?? { '': old.at }).filter(
    ([path]) => !renewed.some((one) => path === one || path.startsWith(`${one} `)),
  );
  const spans = Object.fromEntries([...kept, ...renewed.map((path): [string, Span] => [path, span])]);
  return { spans: Object.keys(spans).length > most ? { '': hull(Object.values(spans)) } : spans };
};

const spanAt = ({ spans, at }: FieldState, path: string): Span =>
  spans?.[path] ?? spans?.[path.slice(0, path.lastIndexOf(' '))] ?? spans?.[''] ?? at;

/** When these members of a list were changed: certainly not before and not after. */
export const spanOfPaths = (state: FieldState | undefined, paths: readonly string[]): Span =>
  state === undefined || paths.length === 0
    ? { from: 0, to: 0 }
    : hull(paths.map((path) => spanAt(state, path)));
