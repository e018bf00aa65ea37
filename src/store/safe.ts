/** Where an installation keeps what remotes issue to it, and the master keys that seal it. */
import type { Config, Environment } from '../config.ts';
import { resolveText } from '../settings.ts';
import type { Safe } from '../credentials/credential.ts';
import { readKeys, type MasterKey } from '../credentials/keys.ts';
import { isFleeting, openStore, whereIs } from './open.ts';
import type { Store } from './store.ts';

type Installed = Pick<Config, 'folder' | 'keyRef' | 'place' | 'store'>;

/**
 * The keys of `keyRef`, else of CROSSWALK_KEY; none where neither is given. Throws CrosswalkError `key-shape`,
 * `setting-reference`.
 */
export const masterKeys = (config: Installed, environment: Environment): MasterKey[] => {
  const { keyRef, folder } = config;
  if (keyRef === undefined) return readKeys(environment['CROSSWALK_KEY'] ?? '', 'CROSSWALK_KEY');
  return readKeys(
    resolveText(keyRef, 'keyRef', { environment, folder }, config.place('/keyRef')),
    `keyRef ${keyRef}`,
  );
};

export interface OpenSafe extends Safe {
  close(): Promise<void>;
}

/**
 * Opens the store only when something is kept, and by a connection of its own: who has lost the store to another
 * gateway must still bring to disk what a remote has issued. A store in memory is the one given.
 */
export const openSafe = (config: Installed, environment: Environment, fleeting?: () => Store): OpenSafe => {
  const where = whereIs(config, environment);
  let opened: ReturnType<typeof openStore> | undefined;
  const open = (): Promise<Store> => {
    if (isFleeting(where) && fleeting !== undefined) return Promise.resolve(fleeting());
    opened ??= openStore(where);
    opened.catch(() => (opened = undefined));
    return opened;
  };
  return {
    store: open,
    keys: () => masterKeys(config, environment),
    close: async () => {
      const store = await opened?.catch(() => undefined);
      opened = undefined;
      await store?.close();
    },
  };
};
