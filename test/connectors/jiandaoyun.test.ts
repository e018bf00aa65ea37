import { describe, expect, it } from 'vitest';
import jiandaoyun from '../../connectors/jiandaoyun/index.ts';
import type { Settings } from '../../connectors/jiandaoyun/account.ts';
import { signature } from '../../connectors/jiandaoyun/hooks.ts';
import sandbox, { type Options, type Widget } from '../../connectors/jiandaoyun/sandbox.ts';
import {
  Trouble,
  type HookRequest,
  type Host,
  type Json,
  type JsonObject,
  type Kind,
  type SandboxHook,
  type Session,
} from '../../src/connector.ts';
import { changesOf } from '../../src/mapping/changes.ts';
import { responseOf } from './hubspot-world.ts';

const app = '5f1e000000000000000000a1';
const entry = '60a2000000000000000000b2';
const start = Date.UTC(2026, 2, 1, 10);

interface World {
  now: number;
  /** The form's fields, as its designer changes them. */
  readonly widgets: Map<string, Widget>;
  readonly session: Session;
  readonly contact: Kind;
  readonly hooks: SandboxHook[];
  readonly paths: string[];
}

const world = (options: Options = {}, settings: Partial<Settings> = {}): World => {
  let state = sandbox.initial({
    apiKey: 'key',
    hookSecret: 'secret',
    hookUrl: 'https://gw.example/hooks/crm',
    app,
    entries: { contact: entry },
    limits: false,
    ...options,
  });
  const made = { now: start, hooks: [] as SandboxHook[], paths: [] as string[] };
  const host: Host = {
    now: () => made.now,
    random: () => 0.5,
    lookup: (_name, _key, load) => load(),
    log: () => undefined,
    request: async (request) => {
      const authorised = session.authorize?.(request) ?? request;
      made.paths.push(new URL(request.url).pathname);
      const done = sandbox.handle(
        {
          method: request.method,
          path: new URL(request.url).pathname,
          headers: authorised.headers ?? {},
          body: Buffer.from(JSON.stringify(request.body ?? null)),
        },
        state,
        made.now,
        () => 0.5,
      );
      state = done.state;
      made.hooks.push(...done.hooks);
      const response = responseOf(done.response.status, {}, done.response.body);
      const trouble = session.trouble?.(response, request);
      if (trouble !== undefined) throw trouble;
      if (response.status === 401) throw new Trouble('forbidden', { message: 'unauthorized' });
      return response;
    },
  };
  const session: Session = jiandaoyun.open(
    { apiKey: 'key', hookSecret: 'secret', app, entries: { contact: entry }, ...settings },
    host,
  );
  const { contact } = session.kinds;
  if (contact === undefined) throw new Error('no contact kind');
  const { widgets } = state.forms.get(entry) ?? { widgets: new Map<string, Widget>() };
  return Object.assign(made, { session, contact, widgets });
};

const create = async (to: World, rows: JsonObject[], key = 'k'): Promise<string[]> => {
  const results = await to.contact.create?.send(
    rows.map((value, i) => ({ key: `${key}${i}`, value })),
    { key },
  );
  return (results ?? []).map((one) => (one.is === 'done' ? one.id : one.is));
};

const hookOf = ({ request }: SandboxHook): HookRequest => ({
  method: 'POST',
  url: request.url,
  headers: request.headers,
  body: Buffer.from(request.body),
});

describe('signature', () => {
  it('agrees with the vectors of the facts', () => {
    expect(signature('n', Buffer.from('{}'), 's', '1')).toBe('46bcb84f41e6b5f6cc9f23c8410688281cb9a1d3');
    const body =
      '{"data":{"_id":"650000000000000000000001","appId":"64f000000000000000000001","entryId":"64f000000000000000000002","formName":"客户","customer_name":"上海示例有限公司","amount":1280.5},"op":"data_create"}';
    expect(signature('a1b2c3', Buffer.from(body), 'test-secret', '1700000000')).toBe(
      'b1a9e31e49b1745d88365633c66f91db6f4128d1',
    );
  });

  it("takes its own sandbox's push, and refuses a flipped byte, an old timestamp, a wrong secret", async () => {
    const to = world();
    await create(to, [{ name: '王小明', stage: '线索', crosswalk_id: 'r1' }]);
    const [hook] = to.hooks;
    if (hook === undefined) throw new Error('no hook');
    const good = hookOf(hook);
    const { hooks } = to.session;
    expect(hooks?.verify(good)).toEqual({ ok: true });
    const flipped = Buffer.from(good.body);
    flipped[5] = (flipped[5] ?? 0) ^ 1;
    expect(hooks?.verify({ ...good, body: flipped }).ok).toBe(false);
    expect(hooks?.verify({ ...good, url: good.url.replace('nonce=', 'nonce=1') }).ok).toBe(false);
    to.now += 6 * 60_000;
    expect(hooks?.verify(good)).toMatchObject({ ok: false, why: expect.stringContaining('timestamp') });
    expect(world({}, { hookSecret: 'other' }).session.hooks?.verify(good).ok).toBe(false);
    expect(hooks?.verify({ ...good, headers: {} }).ok).toBe(false);
  });
});

describe('contacts', () => {
  it('creates in a batch, finds out which id is whose, and a repeat with the key creates nothing', async () => {
    const to = world();
    const rows = [1, 2, 3].map((n) => ({ name: `P${n}`, crosswalk_id: `r${n}` }));
    const ids = await create(to, rows);
    expect(new Set(ids).size).toBe(3);
    expect(await create(to, rows)).toEqual(ids);
    const page = await to.contact.scan?.(null);
    expect(page?.objects.map((one) => one.value['name']).sort()).toEqual(['P1', 'P2', 'P3']);
    const looks = await to.contact.read?.(ids);
    expect(ids.map((id) => (looks?.get(id)?.is === 'object' ? 'object' : 'no'))).toEqual([
      'object',
      'object',
      'object',
    ]);
    const first = looks?.get(ids[0] ?? '');
    expect(first?.is === 'object' && first.object.value).toMatchObject({ name: 'P1', email: null });
  });

  it('refuses a create without the anchor rather than guess', async () => {
    await expect(create(world(), [{ name: 'x' }])).rejects.toMatchObject({ kind: 'refused' });
  });

  it('updates one field, leaves the others, clears with null', async () => {
    const to = world();
    const [id = ''] = await create(to, [{ name: 'A', title: 'B', crosswalk_id: 'r1' }]);
    const [done] =
      (await to.contact.update?.send([{ key: 'u', id, value: { title: null, email: 'a@b.cn' } }], {
        key: 'u',
      })) ?? [];
    expect(done?.is === 'done' && done.object?.value).toMatchObject({
      name: 'A',
      title: null,
      email: 'a@b.cn',
    });
  });

  it('tells what is gone', async () => {
    const to = world();
    const [id = ''] = await create(to, [{ name: 'A', crosswalk_id: 'r1' }]);
    await to.contact.remove?.send([{ key: 'd', id }], { key: 'd' });
    expect((await to.contact.read?.([id]))?.get(id)).toEqual({ is: 'gone' });
    expect(await to.contact.update?.send([{ key: 'u', id, value: { title: 'x' } }], { key: 'u' })).toEqual([
      { is: 'gone' },
    ]);
  });

  it('pages through everything once and finds changes in a window', async () => {
    const to = world();
    for (let n = 0; n < 3; n += 1)
      await create(
        to,
        Array.from({ length: 90 }, (_, i) => ({ name: `N${n}-${i}`, crosswalk_id: `r${n}-${i}` })),
        `k${n}`,
      );
    const seen: string[] = [];
    let page: string | null = null;
    do {
      const rows: Awaited<ReturnType<NonNullable<Kind['scan']>>> = (await to.contact.scan?.(page)) ?? {
        objects: [],
        next: null,
      };
      seen.push(...rows.objects.map((one) => one.id));
      page = rows.next;
    } while (page !== null);
    expect(new Set(seen).size).toBe(270);
    to.now += 60_000;
    await to.contact.update?.send([{ key: 'u', id: seen[7] ?? '', value: { title: 'new' } }], { key: 'u' });
    const changed = await to.contact.changes?.({ since: start + 1, until: to.now + 1 }, null);
    expect(changed?.objects.map((one) => one.id)).toEqual([seen[7]]);
  });

  it('finds by value, and only what really matches', async () => {
    const to = world();
    const [id] = await create(to, [
      { name: 'A', email: 'a@b.cn', crosswalk_id: 'r1' },
      { name: 'B', crosswalk_id: 'r2' },
    ]);
    expect(await to.contact.find?.by(new Map<string, Json>([['/email', 'a@b.cn']]))).toEqual([id]);
    expect(await to.contact.find?.by(new Map<string, Json>([['/email', 'nobody@b.cn']]))).toEqual([]);
  });

  it('turns its limit and its refusals into troubles', async () => {
    const busy = world({ limits: true });
    const calls = Array.from({ length: 40 }, () => busy.contact.scan?.(null));
    const results = await Promise.allSettled(calls);
    expect(results.some((one) => one.status === 'rejected' && (one.reason as Trouble).kind === 'busy')).toBe(
      true,
    );
    await expect(world({}, { apiKey: 'wrong' }).contact.scan?.(null)).rejects.toMatchObject({
      kind: 'forbidden',
    });
  });

  it('reads a push as a whole object with its history', async () => {
    const to = world();
    await create(to, [{ name: 'A', stage: '线索', crosswalk_id: 'r1' }]);
    const [hook] = to.hooks;
    const hints = hook === undefined ? [] : (to.session.hooks?.hints(hookOf(hook)) ?? []);
    expect(hints).toHaveLength(1);
    expect(hints[0]).toMatchObject({
      kind: 'contact',
      object: { value: { name: 'A', stage: '线索' } },
      history: [{ pointer: '/stage', value: '线索' }],
    });
    expect(() =>
      to.session.hooks?.hints({ method: 'POST', url: '/', headers: {}, body: Buffer.from('[]') }),
    ).toThrow('not a JSON object');
    const test = { op: 'data_test', data: {} };
    expect(
      to.session.hooks?.hints({
        method: 'POST',
        url: '/',
        headers: {},
        body: Buffer.from(JSON.stringify(test)),
      }),
    ).toEqual([]);
  });
});

describe('describe', () => {
  const differences = async (of: World): Promise<unknown[]> => {
    const live = await of.contact.describe?.();
    if (live === undefined) throw new Error('the kind does not describe itself');
    return changesOf(of.contact.schema, live).map(({ sort, pointer, was, is }) => [sort, pointer, was, is]);
  };
  const retype = (of: World, alias: string, type: string): void => {
    const widget = of.widgets.get(alias);
    if (widget === undefined) throw new Error(alias);
    of.widgets.set(alias, { widgetName: widget.widgetName, label: '改过的标题', type });
  };

  it('finds a form in its usual state to be as shipped, in one call', async () => {
    const crm = world();
    expect(await differences(crm)).toEqual([]);
    expect(crm.paths).toEqual(['/api/v5/app/entry/widget/list']);
  });

  it('tells a field that went, one whose alias is another now, and what each holds since it was changed', async () => {
    const crm = world();
    crm.widgets.delete('notes');
    const phone = crm.widgets.get('phone');
    crm.widgets.delete('phone');
    if (phone !== undefined) crm.widgets.set('telephone', phone);
    retype(crm, 'postcode', 'number');
    retype(crm, 'customer_id', 'sn');
    retype(crm, 'company', 'linkdata');
    retype(crm, 'title', 'textarea');
    retype(crm, 'suburb', 'something new');
    const told = await differences(crm);
    expect(told).toEqual([
      ['gone', '/phone', 'text', null],
      ['read-only', '/company', false, true],
      ['type', '/company', 'text', expect.any(String)],
      ['read-only', '/customer_id', false, true],
      ['gone', '/notes', 'text', null],
      ['type', '/postcode', 'text', 'a number'],
    ]);
  });

  it('keeps the options of a choice, which no call tells, and lets them go where the field is none any more', async () => {
    const crm = world();
    crm.widgets.set('stage', { widgetName: '_widget_1', label: '阶段', type: 'combo', options: ['新'] });
    expect(await differences(crm)).toEqual([]);
    retype(crm, 'stage', 'text');
    expect(await differences(crm)).toEqual([
      ['wider', '/stage', { enum: expect.any(Array) as unknown }, null],
    ]);
    retype(crm, 'stage', 'combocheck');
    expect((await differences(crm))[0]).toEqual(['type', '/stage', 'text', 'a list']);
  });

  it('does not take a list without a field for the form', async () => {
    const crm = world();
    crm.widgets.clear();
    await expect(crm.contact.describe?.()).rejects.toMatchObject({ kind: 'unknown' });
    await expect(world({}, { apiKey: 'other' }).contact.describe?.()).rejects.toMatchObject({
      kind: 'forbidden',
    });
  });
});
