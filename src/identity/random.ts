/** Random numbers that are the same in every run: xorshift32 (Marsaglia 2003). */
export interface Random {
  /** A whole number from 0 to below `n`. */
  below(n: number): number;
  /** A number from 0 to below 1. */
  share(): number;
}

export const randomFrom = (seed: number): Random => {
  let state = seed >>> 0 || 0x9e3779b9;
  const next = (): number => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 0x1_0000_0000;
  };
  return { share: next, below: (n) => Math.floor(next() * n) };
};
