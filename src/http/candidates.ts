/** Candidates, merges and unmerges over the API. */
import type { Request } from 'express';
import { CrosswalkError } from '../errors.ts';
import type { Gateway } from '../gateway.ts';
import { candidatesReport, pairReport } from '../health/candidates.ts';
import { mergeReport, unmergeReport } from '../health/merging.ts';
import type { View } from '../health/reports.ts';
import { mergePlan, ordered, tellApart, tryMerge, tryUnmerge, unmergePlan } from '../sync/identity.ts';
import { barError } from '../sync/join.ts';
import { standingRun } from '../sync/runs.ts';

export type On = (
  method: 'get' | 'post',
  path: string,
  handler: (request: Request) => Promise<unknown>,
) => void;

/** A text of a request. Throws CrosswalkError `request-shape`. */
export const textOf = (value: unknown, name: string): string => {
  if (typeof value === 'string' && value !== '' && value.length <= 1000) return value;
  throw new CrosswalkError('request-shape', { detail: `${name} must be a text` });
};

export const optional = (value: unknown, name: string): string | undefined =>
  value === undefined ? undefined : textOf(value, name);

const most = 1000;

const ruleOf = (
  given: unknown,
): 'newest' | 'updated' | 'complete' | { readonly record: string } | undefined => {
  const rule = optional(given, 'survivor');
  if (rule === undefined) return undefined;
  return rule === 'newest' || rule === 'updated' || rule === 'complete' ? rule : { record: rule };
};

const sortOf = (given: unknown): 'score' | 'newest' | 'oldest' => {
  const sort = optional(given, 'sort') ?? 'score';
  if (sort === 'score' || sort === 'newest' || sort === 'oldest') return sort;
  throw new CrosswalkError('request-shape', { detail: 'sort must be score, newest or oldest' });
};

export const deciding = (gateway: Gateway, { store }: View, on: On): void => {
  const { hub } = gateway;
  const people = (): Promise<string> => standingRun(hub, 'upkeep', 'people', new Set());
  on('get', '/candidates', ({ query }) => {
    const entity = optional(query['entity'], 'entity');
    return candidatesReport(store, {
      ...(entity === undefined ? {} : { entity }),
      score: Number(query['score'] ?? 0) || 0,
      sort: sortOf(query['sort']),
      limit: Math.min(most, Number(query['limit'] ?? 50) || 50),
    });
  });
  on('get', '/candidates/:a/:b', ({ params }) => pairReport(store, String(params['a']), String(params['b'])));
  on('post', '/candidates/reject', async ({ body }) =>
    tellApart(hub, textOf(body?.a, 'a'), textOf(body?.b, 'b'), textOf(body?.by, 'by'), await people()),
  );
  for (const apply of [false, true])
    on('post', apply ? '/merge/apply' : '/merge', async ({ body }) => {
      const [a, b] = [textOf(body?.a, 'a'), textOf(body?.b, 'b')];
      const by = `person:${apply ? textOf(body?.by, 'by') : (optional(body?.by, 'by') ?? 'api')}`;
      const how = { by, cause: by, overrules: body?.overrule === true };
      const rule = ruleOf(body?.survivor);
      const pick = (): ReturnType<typeof ordered> => ordered(hub, a, b, rule);
      const report = await mergeReport(hub, await mergePlan(hub, await pick(), how), 'planned');
      if (!apply) return report;
      const outcome = await tryMerge(hub, pick, how, await people());
      if ('is' in outcome) throw barError(outcome, `${a} and ${b}`);
      return { ...report, state: 'done' };
    });
  for (const apply of [false, true])
    on('post', apply ? '/unmerge/apply' : '/unmerge', async ({ body }) => {
      const record = textOf(body?.record, 'record');
      const by = `person:${apply ? textOf(body?.by, 'by') : (optional(body?.by, 'by') ?? 'api')}`;
      const report = await unmergeReport(hub, await unmergePlan(hub, record, by), 'planned');
      if (!apply) return report;
      const bar = await tryUnmerge(hub, record, by, await people());
      if (bar !== null) throw barError(bar, record);
      return { ...report, state: 'done' };
    });
};
