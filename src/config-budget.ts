import type { SourceSync } from './config-check.ts';
import type { Amount, Budget } from './merge/policy.ts';

const amountOf = (text: string): Amount => {
  const [most = '', per = ''] = text.split('/');
  const isShare = most.endsWith('%');
  return {
    text,
    per: per === 'run' ? 'run' : 'day',
    ...(isShare ? { share: Number(most.slice(0, -1)) / 100 } : { most: Number(most) }),
  };
};

/** So many objects are removed in a day without asking, where the file does not say it: what is gone is gone. */
const removesUnasked = '100/day';

/** The budget of a sync, as its file gives it. */
export const budgetOf = ({ budget, deletes }: Pick<SourceSync, 'budget' | 'deletes'>): Budget => ({
  creates: [budget?.creates ?? []].flat().map(amountOf),
  updates: [budget?.updates ?? []].flat().map(amountOf),
  removes: [budget?.removes ?? (deletes === 'propagate' ? removesUnasked : [])].flat().map(amountOf),
});
