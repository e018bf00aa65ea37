import type { Check, SourceSync } from './config-check.ts';
import { minorUnits } from './mapping/amounts.ts';
import { pointerOf } from './mapping/place.ts';
import type { Amount, Budget, MoneyAmount } from './merge/policy.ts';

/** The budget of a sync, as its file gives it. */
export type BudgetSource = Readonly<
  Partial<Record<'creates' | 'updates' | 'removes' | 'amount', string | string[]>>
>;

const amountOf = (text: string): Amount => {
  const [most = '', per = ''] = text.split('/');
  const isShare = most.endsWith('%');
  return {
    text,
    per: per === 'run' ? 'run' : 'day',
    ...(isShare ? { share: Number(most.slice(0, -1)) / 100 } : { most: Number(most) }),
  };
};

/** `1000000.00 CNY/day`; what is wrong with it as the rest of a sentence. */
const moneyOf = (text: string): MoneyAmount | string => {
  const [money = '', per = ''] = text.split('/');
  const [amount = '', currency = ''] = money.split(' ');
  const most = minorUnits(amount, currency);
  return typeof most === 'string' ? most : { text, per: per === 'run' ? 'run' : 'day', currency, most };
};

/** So many objects are removed in a day without asking, where the file does not say it: what is gone is gone. */
const removesUnasked = '100/day';

export const budgetOf = ({ budget, deletes }: Pick<SourceSync, 'budget' | 'deletes'>): Budget => ({
  creates: [budget?.creates ?? []].flat().map(amountOf),
  updates: [budget?.updates ?? []].flat().map(amountOf),
  removes: [budget?.removes ?? (deletes === 'propagate' ? removesUnasked : [])].flat().map(amountOf),
  amount: [budget?.amount ?? []]
    .flat()
    .map(moneyOf)
    .filter((one) => typeof one !== 'string'),
});

/** Whether budgets of money can be kept: amounts that there are, and fields that they are about. */
export const checkBudgets = (check: Check): void => {
  for (const [sync, { budget, mapping }] of Object.entries(check.source.syncs ?? {})) {
    if (budget?.amount === undefined) continue;
    const at = pointerOf(['syncs', sync, 'budget', 'amount']);
    for (const text of [budget.amount].flat()) {
      const fault = moneyOf(text);
      if (typeof fault === 'string')
        check.tell('config-amount', at, { value: JSON.stringify(text), detail: fault });
    }
    const { entity = '' } = check.known.mappings.get(mapping) ?? {};
    const money = check.known.money?.get(entity);
    if (money !== undefined && money.length === 0)
      check.tell('config-amount', at, {
        value: JSON.stringify(budget.amount),
        detail: `limits nothing: entity ${entity} has no field that holds money`,
      });
  }
};
