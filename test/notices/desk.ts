/** A small world for notices: a real store, a clock, people who receive, and a process that may die. */
import type { NoticeConfig } from '../../src/config.ts';
import { Trouble, type Notifier } from '../../src/connector.ts';
import type { NoticeHub } from '../../src/notify/desk.ts';
import {
  collectNotices,
  noticeOf,
  recoverNotices,
  sendNotices,
  type NoticeRow,
} from '../../src/notify/notices.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';

export const stage: NoticeConfig = {
  name: 'stage-moved',
  entity: 'contact',
  when: { changed: 'stage' },
  to: 'sales',
  text: '{{name}}: {{before.stage}} → {{after.stage}} ({{by}}, {{at}})',
  fallback: { name: '(no name)', by: 'someone' },
};

/** The process dies here. */
export class Killed extends Error {}

export class Desk {
  readonly store = new SqliteStore({ file: ':memory:', immediate: true });
  readonly received: { readonly text: string; readonly at: number }[] = [];
  readonly alarms: string[] = [];
  time = Date.UTC(2026, 2, 1, 9, 30);
  /** What the next calls meet, in order; nothing: they arrive. */
  readonly meets: (Trouble | 'dies before' | 'dies after')[] = [];
  rate: Notifier['rate'] = { count: 20, per: 60_000 };
  mostBytes = 4096;
  /** Commits until the process dies: negative before the commit takes effect, positive after. */
  #fuse: { left: number; when: 'before' | 'after' } | undefined;
  #ids = 0;

  /** Kills the process at its n-th commit from now. */
  dieAt(n: number, when: 'before' | 'after'): void {
    this.#fuse = { left: n, when };
  }

  get survived(): boolean {
    return this.#fuse === undefined || this.#fuse.left > 0;
  }

  hub(): NoticeHub {
    const { store } = this;
    const commit: Store['commit'] = async (groups) => {
      const fuse = this.#fuse;
      if (fuse !== undefined) fuse.left -= 1;
      if (fuse?.left === 0 && fuse.when === 'before') throw new Killed();
      const done = await store.commit(groups);
      if (fuse?.left === 0) throw new Killed();
      return done;
    };
    return {
      store: {
        commit,
        get: (table, key) => store.get(table, key),
        many: (table, keys) => store.many(table, keys),
        list: (table, index, options) => store.list(table, index, options),
        count: (table, index, where) => store.count(table, index, where),
        close: () => store.close(),
      },
      now: () => this.time,
      newId: (prefix) => `${prefix}${(this.#ids += 1)}`,
      alarm: (subject) => void this.alarms.push(subject),
    };
  }

  notifier(): Notifier {
    return {
      mostBytes: this.mostBytes,
      ...(this.rate === undefined ? {} : { rate: this.rate }),
      send: async (text) => {
        const met = this.meets.shift();
        if (met === 'dies before') throw new Killed();
        if (met instanceof Trouble && met.kind !== 'unknown') throw met;
        if (met instanceof Trouble && met.detail.code === 'lost') throw met;
        this.received.push({ text, at: this.time });
        if (met === 'dies after') throw new Killed();
        if (met !== undefined) throw met;
      },
    };
  }

  async move(
    record: string,
    before: string,
    after: string,
    more: Record<string, unknown> = {},
  ): Promise<void> {
    const row = {
      record,
      entity: 'contact',
      field: 'stage',
      before,
      after,
      at: this.time,
      by: 'Lin',
      how: 'hook',
    };
    await this.store.commit([
      { when: [], write: [{ op: 'append', table: 'transition', row: { ...row, ...more } }] },
    ]);
  }

  async name(record: string, name: string): Promise<void> {
    const field = {
      value: name,
      version: 1,
      at: { from: 0, to: 1 },
      source: 'x',
      recent: [],
      returns: 0,
      chain: 0,
    };
    const row = { id: record, entity: 'contact', version: 1, at: 0, fields: { name: field } };
    await this.store.commit([{ when: [], write: [{ op: 'put', table: 'record', row }] }]);
  }

  /** A process: it recovers, collects and sends for a while of the desk's time, a second a pass. */
  async run(seconds = 600, notices: readonly NoticeConfig[] = [stage]): Promise<void> {
    const hub = this.hub();
    await recoverNotices(hub);
    for (let n = 0; n < seconds; n += 1) {
      await collectNotices(hub, notices);
      await sendNotices(hub, 'sales', this.notifier());
      this.time += 1000;
    }
  }

  async rows(state?: NoticeRow['state']): Promise<NoticeRow[]> {
    const list = await this.store.list('notice', 'state', { where: {}, limit: 10_000 });
    return list.map(noticeOf).filter((row) => state === undefined || row.state === state);
  }

  texts(): string[] {
    return this.received.map((one) => one.text);
  }

  /** The most messages in any window of the rate. */
  busiest(per: number): number {
    return Math.max(
      0,
      ...this.received.map(
        ({ at }) => this.received.filter((one) => one.at >= at && one.at < at + per).length,
      ),
    );
  }
}
