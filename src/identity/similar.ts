/**
 * How alike two texts are. Each measure is symmetric, lies between 0 and 1 and is 1 for equal texts; units are
 * UTF-16 code units. Nothing is allocated, since millions of pairs are measured.
 */

/** Texts up to this length fit the bit sets of `jaroWinkler`. */
const mostBits = 32;

/** The share of agreeing letters, with their transpositions, of two texts of at most 32 units. */
const jaro = (a: string, b: string): number => {
  const n = a.length;
  const m = b.length;
  const reach = Math.max(0, (Math.max(n, m) >> 1) - 1);
  let fromA = 0;
  let fromB = 0;
  let agreeing = 0;
  for (let i = 0; i < n; i += 1) {
    const letter = a.charCodeAt(i);
    const last = Math.min(m - 1, i + reach);
    for (let j = Math.max(0, i - reach); j <= last; j += 1) {
      if (((fromB >>> j) & 1) !== 0 || b.charCodeAt(j) !== letter) continue;
      fromA |= 1 << i;
      fromB |= 1 << j;
      agreeing += 1;
      break;
    }
  }
  if (agreeing === 0) return 0;
  let moved = 0;
  let j = 0;
  for (let i = 0; i < n; i += 1) {
    if (((fromA >>> i) & 1) === 0) continue;
    while (((fromB >>> j) & 1) === 0) j += 1;
    if (a.charCodeAt(i) !== b.charCodeAt(j)) moved += 1;
    j += 1;
  }
  return (agreeing / n + agreeing / m + (agreeing - (moved >> 1)) / agreeing) / 3;
};

/** Letters by their last five bits: enough to see that two texts have little in common. */
const lettersOf = (text: string): number => {
  let letters = 0;
  for (let i = 0; i < text.length; i += 1) letters |= 1 << (text.charCodeAt(i) & 31);
  return letters;
};

const ones = (bits: number): number => {
  let rest = bits - ((bits >>> 1) & 0x55555555);
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333);
  return Math.imul((rest + (rest >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
};

/** The most that `jaro` can be: letters that stand in one text only agree with none. */
const mostJaro = (a: string, b: string): number => {
  const one = lettersOf(a);
  const other = lettersOf(b);
  const agreeing = Math.min(a.length - ones(one & ~other), b.length - ones(other & ~one));
  return agreeing <= 0 ? 0 : (agreeing / a.length + agreeing / b.length + 1) / 3;
};

/** A share of agreeing letters, raised for what the two begin with. */
const winkler = (base: number, prefix: number): number =>
  base > 0.7 ? base + prefix * 0.1 * (1 - base) : base;

/**
 * Jaro–Winkler similarity (Winkler 1990, "String Comparator Metrics and Enhanced Decision Rules in the
 * Fellegi–Sunter Model of Record Linkage": prefix scale 0.1, at most four letters, only above 0.7). Texts
 * longer than 32 units are measured by `dice`. Half as fast again as the two packages that were measured.
 * Below `least` the answer is 0, which is seen by the letters of most pairs alone.
 */
export const jaroWinkler = (a: string, b: string, least = 0): number => {
  if (a === b) return 1;
  if (a.length === 0 || b.length === 0) return 0;
  if (a.length > mostBits || b.length > mostBits) {
    const like = dice(a, b);
    return like < least ? 0 : like;
  }
  // The greedy search depends on which text comes first: one order for both.
  const one = a < b ? a : b;
  const other = a < b ? b : a;
  let prefix = 0;
  while (prefix < 4 && prefix < one.length && one.charCodeAt(prefix) === other.charCodeAt(prefix))
    prefix += 1;
  if (least > 0 && winkler(mostJaro(one, other), prefix) < least) return 0;
  const like = winkler(jaro(one, other), prefix);
  return like < least ? 0 : like;
};

/** Counts of letter pairs, by a hash of the pair; all 0 between two calls. */
const pairs = new Int16Array(8192);
const pairAt = (text: string, i: number): number =>
  (Math.imul(text.charCodeAt(i), 0x9e37) + text.charCodeAt(i + 1)) & 8191;
/** Longer texts are measured by their beginning. */
const mostLetters = 2000;

/** The share of letter pairs that two texts have in common (Dice 1945, Sørensen 1948; as multisets). */
export const dice = (a: string, b: string): number => {
  if (a === b) return 1;
  const n = Math.min(a.length, mostLetters) - 1;
  const m = Math.min(b.length, mostLetters) - 1;
  if (n < 1 || m < 1) return 0;
  let both = 0;
  for (let i = 0; i < n; i += 1) {
    const at = pairAt(a, i);
    pairs[at] = (pairs[at] ?? 0) + 1;
  }
  for (let i = 0; i < m; i += 1) {
    const at = pairAt(b, i);
    const left = pairs[at] ?? 0;
    if (left <= 0) continue;
    pairs[at] = left - 1;
    both += 1;
  }
  for (let i = 0; i < n; i += 1) pairs[pairAt(a, i)] = 0;
  return (2 * both) / (n + m);
};

/**
 * True if one letter was typed wrongly, left out, added, or two neighbours were swapped: the four slips that
 * make up 80 % of typing errors (Damerau 1964). Equal texts are not one slip apart.
 */
export const isOneSlip = (a: string, b: string): boolean => {
  const n = a.length;
  const m = b.length;
  if (a === b || Math.abs(n - m) > 1) return false;
  let head = 0;
  while (head < n && head < m && a.charCodeAt(head) === b.charCodeAt(head)) head += 1;
  let tail = 0;
  while (tail < n - head && tail < m - head && a.charCodeAt(n - 1 - tail) === b.charCodeAt(m - 1 - tail))
    tail += 1;
  const left = n - head - tail;
  const right = m - head - tail;
  if (left <= 1 && right <= 1) return true;
  return (
    left === 2 &&
    right === 2 &&
    a.charCodeAt(head) === b.charCodeAt(head + 1) &&
    a.charCodeAt(head + 1) === b.charCodeAt(head)
  );
};

/** In how many places two texts of one length differ. */
export const differingPlaces = (a: string, b: string): number => {
  let count = 0;
  for (let i = 0; i < a.length; i += 1) if (a.charCodeAt(i) !== b.charCodeAt(i)) count += 1;
  return count;
};
