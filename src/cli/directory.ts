/** Whom routing tables may name, for commands: a file, the installation's store, or everybody on trust. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { CrosswalkError } from '../errors.ts';
import { loadInstallation } from '../installation.ts';
import type { Fields } from '../mapping/lens.ts';
import { isObject } from '../mapping/place.ts';
import { trusting, type Roster, type Router } from '../mapping/routing.ts';
import { findStore, whereIs } from '../store/open.ts';
import { rosterOf } from '../sync/roster.ts';

export interface DirectoryOptions {
  readonly dir: string;
  readonly roster?: string;
  readonly at?: string;
}

const momentOf = (text: string | undefined): number => {
  const at = text === undefined ? Date.now() : Date.parse(text);
  const isZoned = text === undefined || /(?:[Zz]|[+-]\d\d:?\d\d)$/u.test(text);
  if (!Number.isFinite(at) || !isZoned)
    throw new CrosswalkError('usage', {
      detail: '--at takes a time with its zone, such as 2026-03-01T09:00:00+08:00',
    });
  return at;
};

/** Colleagues and teams from a file: {"employee": [{"email": …}], "department": […]}. */
const rosterFile = (file: string, now: () => number): Roster => {
  let given: unknown;
  try {
    given = JSON.parse(readFileSync(file, 'utf8').replace(/^\ufeff/u, ''));
  } catch (error) {
    const detail =
      error instanceof SyntaxError ? 'it is not JSON' : String((error as { code?: string }).code);
    throw new CrosswalkError('input-unreadable', { file, detail }, {}, error);
  }
  const isRoster =
    isObject(given) && Object.values(given).every((all) => Array.isArray(all) && all.every(isObject));
  if (!isRoster)
    throw new CrosswalkError('input-unreadable', {
      file,
      detail:
        'it holds no lists of colleagues by entity, such as {"employee": [{"email": "ann@example.cn"}]}',
    });
  const roster = given as Record<string, readonly Fields[]>;
  return { now, of: (entity) => (Object.hasOwn(roster, entity) ? roster[entity] : undefined) };
};

/** From the file that is named, else from the installation's store, else everybody on trust. */
export const knownRoster = async (options: DirectoryOptions, router: Router): Promise<Roster> => {
  const at = momentOf(options.at);
  const now = (): number => at;
  if (options.roster !== undefined) return rosterFile(options.roster, now);
  if (!existsSync(path.join(options.dir, 'crosswalk.yaml')) && !options.dir.endsWith('.yaml'))
    return trusting(now);
  const { config } = loadInstallation(options.dir, process.env);
  const store = await findStore(whereIs(config, process.env));
  if (store === undefined) return trusting(now);
  try {
    return await rosterOf({ store, now }, router);
  } finally {
    await store.close();
  }
};
