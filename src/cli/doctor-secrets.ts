/** What doctor finds about master keys and about what ends. */
import type { Config } from '../config.ts';
import type { Connection } from '../connections.ts';
import { daysLeft, expiryWords, levelOf, storedExpiries, type Expiry } from '../credentials/expiry.ts';
import { keyUse, type KeyUse } from '../credentials/rotation.ts';
import { findStore, whereIs } from '../store/open.ts';
import { masterKeys } from '../store/safe.ts';
import type { Store } from '../store/store.ts';
import type { Note } from './diagnosis.ts';
import { wordsOf } from './output.ts';

const rowsWords = (rows: number): string => `${rows} ${rows === 1 ? 'row' : 'rows'}`;

/** A key in words, never the key itself. */
export const useWords = ({ id, known, seals, rows }: KeyUse): string =>
  `${id}: ${rowsWords(rows)}${seals ? ', seals' : ''}${known ? '' : ', MISSING here'}`;

const noteUse = (use: readonly KeyUse[], first: string | undefined, note: Note): void => {
  if (use.length === 0) {
    note('keys', 'ok', 'none, and nothing is sealed');
    return;
  }
  const missing = use.filter(({ known, rows, seals }) => !known && (rows > 0 || seals));
  const waits = use.some(({ id, seals, rows }) => id !== first && (seals || rows > 0));
  const text = use.map(useWords).join('; ');
  if (missing.length > 0)
    note('keys', 'fail', text, 'Put the missing key back into CROSSWALK_KEY or the file of keyRef.');
  else if (waits) note('keys', 'warn', text, '`crosswalk key rotate` seals everything with the first key.');
  else note('keys', 'ok', text);
};

export const noteKeys = async (config: Config, note: Note): Promise<void> => {
  let store: Store | undefined;
  try {
    const keys = masterKeys(config, process.env);
    // What is wrong with the store has been noted by then.
    store = await findStore(whereIs(config, process.env), { readOnly: true }).catch(() => undefined);
    const found = store ?? { list: async () => [], get: async () => undefined };
    noteUse(await keyUse(found, keys), keys[0]?.id, note);
    const names = new Set(Object.keys(config.connections));
    if (store !== undefined) noteExpiries(await storedExpiries(store, names), note);
  } catch (error) {
    const { message, remedy } = wordsOf(error);
    note('keys', 'fail', message, remedy);
  } finally {
    await store?.close();
  }
};

const noteExpiries = (items: readonly Expiry[], note: Note): void => {
  const now = Date.now();
  for (const one of items) {
    const isOver = daysLeft(one, now) <= 0;
    const isNear = levelOf(one, now) !== undefined;
    const state = isOver ? 'fail' : isNear ? 'warn' : 'ok';
    note('expiry', state, expiryWords(one, now), isNear ? one.remedy : '');
  }
};

export const noteConnectionExpiries = (connection: Connection | undefined, note: Note): void =>
  noteExpiries(connection?.expiries ?? [], note);
