/** key new, status, rotate, forget. None of them shows what is sealed. */
import { newKey, readKeys, type MasterKey } from '../credentials/keys.ts';
import { forgetCredential, keyUse, rotateKeys, type KeyUse } from '../credentials/rotation.ts';
import { CrosswalkError } from '../errors.ts';
import { loadInstallation } from '../installation.ts';
import { openStore, whereIs } from '../store/open.ts';
import { masterKeys } from '../store/safe.ts';
import type { Store } from '../store/store.ts';
import { me } from './deciding.ts';
import { exits, json, say, table } from './output.ts';
import type { Common } from './program.ts';

export const keyNew = async (options: Common): Promise<number> => {
  const key = newKey();
  const [made] = readKeys(key, 'the new key');
  if (options.json) json({ key, id: made?.id });
  else say(key);
  return exits.ok;
};

const withKeys = async <Result>(
  { dir }: Common,
  work: (store: Store, keys: readonly MasterKey[]) => Promise<Result>,
): Promise<Result> => {
  const { config } = loadInstallation(dir, process.env);
  const keys = masterKeys(config, process.env);
  const store = await openStore(whereIs(config, process.env), { mustExist: true });
  try {
    return await work(store, keys);
  } finally {
    await store.close();
  }
};

const tell = (keys: readonly KeyUse[]): void =>
  say(
    table(
      ['key', 'rows', 'here', ''],
      keys.map(({ id, rows, known, seals }) => [
        id,
        String(rows),
        known ? 'yes' : 'MISSING',
        seals ? 'seals' : '',
      ]),
    ),
  );

export const keyStatus = (options: Common): Promise<number> =>
  withKeys(options, async (store, keys) => {
    const use = await keyUse(store, keys);
    if (options.json) json({ keys: use });
    else if (use.length === 0) say('there is no key here, and nothing is sealed');
    else tell(use);
    return use.some(({ known, rows }) => !known && rows > 0) ? exits.wrong : exits.ok;
  });

export const keyRotate = (options: Common & { by?: string }): Promise<number> =>
  withKeys(options, async (store, keys) => {
    const done = await rotateKeys({ store, keys, now: Date.now, by: me(options) });
    const others = done.keys.filter(({ id }) => id !== done.to);
    const under = others.reduce((sum, { rows }) => sum + rows, 0);
    if (options.json) json({ ...done, old: under });
    else {
      tell(done.keys);
      for (const { connection, why } of done.left) say(`LEFT ${connection}: ${why}`);
      say(
        `${done.resealed} rows sealed anew; ${done.opened} open with key ${done.to} alone; ${under} rows under other keys`,
      );
      if (under === 0 && others.length > 0) say('the other keys here are not needed any more');
    }
    return under === 0 && done.left.length === 0 ? exits.ok : exits.wrong;
  });

export const keyForget = (options: Common & { yes?: boolean }, connection: string): Promise<number> =>
  withKeys(options, async (store) => {
    if (options.yes !== true)
      throw new CrosswalkError('usage', {
        detail: 'forget drops what is stored for the connection, for good; add --yes',
      });
    if (!(await forgetCredential(store, connection)))
      throw new CrosswalkError('not-there', { what: 'credential of connection', id: connection });
    if (options.json) json({ ok: true });
    else say(`${connection} starts again from what its settings hold`);
    return exits.ok;
  });
