/** store copy, backup, restore, verify: what is done with a store as a whole. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { CrosswalkError } from '../errors.ts';
import { loadInstallation } from '../installation.ts';
import { restoreBackup, writeBackup, type Backup } from '../store/backup.ts';
import { copyInto, type Sums } from '../store/copy.ts';
import { openStore, placeWords, whereIs, type Where } from '../store/open.ts';
import type { WholeStore } from '../store/store.ts';
import { tryRestore, verifyWhole } from '../store/trial.ts';
import type { Verified } from '../store/verify.ts';
import { hold, holderOf } from './holder.ts';
import { exits, json, say, table, warn } from './output.ts';
import type { Common } from './program.ts';

const ownStore = ({ dir }: Common): { where: Where; schema: string; folder: string } => {
  const { config, folder } = loadInstallation(dir, process.env);
  return { where: whereIs(config, process.env), schema: config.store.schema, folder };
};

/** A place as it is typed: a database's address, or a file. */
const placeOf = (given: string, schema: string): Where => {
  if (!/^postgres(?:ql)?:/u.test(given)) return { file: path.resolve(given) };
  if (!URL.canParse(given))
    throw new CrosswalkError('usage', { detail: 'the address of the database cannot be read' });
  return { url: given, schema };
};

const tellSums = (sums: Sums): void =>
  say(
    table(
      ['table', 'rows', 'sha256'],
      Object.entries(sums).map(([name, { rows, sha256 }]) => [name, String(rows), sha256.slice(0, 16)]),
    ),
  );

const using = async <Result>(
  store: WholeStore,
  work: (store: WholeStore) => Promise<Result>,
): Promise<Result> => {
  try {
    return await work(store);
  } finally {
    await store.close();
  }
};

/** From the installation's store into an empty one; nobody works the one or the other meanwhile. */
export const storeCopy = async (options: Common & { to?: string }): Promise<number> => {
  const { where, schema } = ownStore(options);
  const target = placeOf(options.to ?? '', schema);
  if (placeWords(target) === placeWords(where))
    throw new CrosswalkError('usage', { detail: '--to names the store that is to be copied' });
  const sums = await using(await openStore(where, { mustExist: true }), async (from) => {
    const held = await hold(where, 'store copy', () => undefined, from);
    try {
      return await using(await openStore(target), (to) => copyInto(from, to));
    } finally {
      await held.release();
    }
  });
  if (options.json) json({ from: placeWords(where), to: placeWords(target), tables: sums });
  else {
    tellSums(sums);
    say(`copied from ${placeWords(where)} to ${placeWords(target)}; read back, counts and hashes agree`);
    say(
      'url' in target ? 'set DATABASE_URL to work it there' : 'name the file in store.path to work it there',
    );
  }
  return exits.ok;
};

/** While a gateway works on. */
export const storeBackup = async (options: Common & { verify?: boolean }, file: string): Promise<number> => {
  const { where } = ownStore(options);
  const target = path.resolve(file);
  if (existsSync(target))
    throw new CrosswalkError('output-unwritable', { file: target, detail: 'it is there already' });
  const made = await using(await openStore(where, { mustExist: true }), (store) =>
    writeBackup(store, target, Date.now()),
  );
  const verified = options.verify === true ? await tryRestore(target, path.dirname(target)) : null;
  if (options.json) json({ backup: made, ...(verified === null ? {} : { verified }) });
  else {
    tellBackup(made, 'written');
    if (verified !== null) tellVerified(verified);
  }
  return verified === null || verified.differences === 0 ? exits.ok : exits.wrong;
};

const tellBackup = ({ file, at, size, tables, sha256 }: Backup, what: string): void => {
  tellSums(tables);
  say(`${file}: ${what}, as of ${at}, ${size} bytes, sha256 of the tables ${sha256}`);
};

export const storeRestore = async (options: Common, file: string): Promise<number> => {
  const { where } = ownStore(options);
  const source = path.resolve(file);
  const restored = await using(await openStore(where), async (store) => {
    const holder = await holderOf(store);
    if (holder !== undefined)
      throw new CrosswalkError('store-held', {
        file: placeWords(where),
        holder: `crosswalk ${holder.what} (process ${holder.pid} on ${holder.host})`,
      });
    return restoreBackup(source, store);
  });
  if (options.json) json({ restored, to: placeWords(where) });
  else tellBackup(restored, `restored into ${placeWords(where)}`);
  return exits.ok;
};

const tellVerified = ({ records, rows, differences }: Verified): void =>
  say(
    differences === 0
      ? `${records} records replayed from ${rows} rows: the store is what its lineage tells`
      : `${records} records replayed from ${rows} rows: ${differences} differences`,
  );

export const storeVerify = async (options: Common): Promise<number> => {
  const { where } = ownStore(options);
  const verified = await using(await openStore(where, { mustExist: true }), (store) =>
    verifyWhole(store, ({ record, text }) => {
      if (!options.json) warn(`${record}: ${text}`);
    }),
  );
  if (options.json) json({ store: placeWords(where), ...verified });
  else tellVerified(verified);
  return verified.differences === 0 ? exits.ok : exits.wrong;
};
