/** A process that writes rows for ever and says which of them were acknowledged, until it is killed. */
import { writeSync } from 'node:fs';
import { SqliteStore } from '../../src/store/sqlite.ts';

const store = new SqliteStore({ file: process.argv[2] ?? '' });
for (let turn = 0; ; turn += 1) {
  const ids = Array.from({ length: 5 }, (_, i) => `${turn}.${i}`);
  await Promise.all(
    ids.map(async (id) => {
      const row = { id, connection: 'crm', at: turn, url: '', headers: {}, body: Buffer.alloc(3000, turn) };
      await store.commit([{ when: [], write: [{ op: 'put', table: 'hook', row }] }]);
      writeSync(1, `${id}\n`);
    }),
  );
}
