import nock from 'nock';
import { afterEach, describe, expect, it } from 'vitest';
import hubspot from '../../connectors/hubspot/index.ts';
import sandbox from '../../connectors/hubspot/sandbox.ts';
import { Trouble, type Json, type JsonObject } from '../../src/connector.ts';
import {
  add,
  create,
  overHttp,
  propertiesOf,
  secret,
  start,
  troubleIn,
  update,
  uri,
  world,
} from './hubspot-world.ts';

afterEach(() => nock.cleanAll());

describe('create by the anchor', () => {
  const ann = { crosswalk_id: 'r1', email: 'ann@acme.example', firstname: 'Ann' };

  it('is keyed: a repeat finds what the first attempt made and leaves later edits alone', async () => {
    const one = world();
    expect(one.contact.create?.keyed).toBe(true);
    one.after = (request) => {
      if (request.url.endsWith('/upsert')) throw new Trouble('unknown', { message: 'cut' });
    };
    expect((await troubleIn(create(one, [ann]))).kind).toBe('unknown');
    delete one.after;
    const [id] = [...one.state.rows.contacts.keys()];
    one.call('PATCH', `/crm/v3/objects/contacts/${id}`, { properties: { firstname: 'Anna' } }, 'ann');
    const results = await create(one, [ann]);
    expect(results).toMatchObject([
      {
        is: 'done',
        id,
        object: { id, value: { properties: { firstname: 'Anna', email: 'ann@acme.example' } } },
      },
    ]);
    expect(one.state.rows.contacts.size).toBe(1);
  });

  it('tells that nothing was sent when already the question failed', async () => {
    const one = world();
    one.before = (request) => {
      if (request.url.endsWith('/batch/read')) throw new Trouble('unknown', { message: 'cut' });
    };
    expect((await troubleIn(create(one, [ann]))).kind).toBe('unreachable');
    expect(one.state.rows.contacts.size).toBe(0);
  });

  it('meets the same object when a former attempt lands between asking and writing', async () => {
    const one = world();
    one.before = (request) => {
      if (request.url.endsWith('/upsert')) add(one, ann);
    };
    expect(await create(one, [ann])).toMatchObject([{ is: 'done' }]);
    expect(one.state.rows.contacts.size).toBe(1);
  });

  it('blames the bad item only, and names the holder of a taken e-mail', async () => {
    const one = world();
    const holder = add(one, { email: 'taken@acme.example' });
    const results = await create(one, [
      ann,
      { crosswalk_id: 'r2', email: 'no mail' },
      { crosswalk_id: 'r3', email: 'taken@acme.example' },
      { crosswalk_id: 'r4', lifecyclestage: 'Customer' },
      { crosswalk_id: 'r5', unheard_of: 'x' },
      { firstname: 'without anchor' },
    ]);
    expect(results).toMatchObject([
      { is: 'done' },
      { is: 'refused', code: 'VALIDATION_ERROR' },
      { is: 'refused', code: 'CONFLICT', existing: holder },
      { is: 'refused', message: expect.stringContaining('INVALID_OPTION') },
      { is: 'refused', message: expect.stringContaining('PROPERTY_DOESNT_EXIST') },
      { is: 'refused', code: 'NO_ANCHOR' },
    ]);
    expect(one.state.rows.contacts.size).toBe(2);
  });

  it('gives no object where the answer shows only some properties', async () => {
    const one = world();
    const [result] = (await create(one, [ann])) ?? [];
    expect(result).toEqual({ is: 'done', id: [...one.state.rows.contacts.keys()][0] });
  });

  it('refuses a batch as a whole where HubSpot has no multi-status, and names the holder for a lone item', async () => {
    const one = world({ multiStatus: false });
    const holder = add(one, { email: 'taken@acme.example' });
    const taken = { crosswalk_id: 'r2', email: 'taken@acme.example' };
    expect((await troubleIn(create(one, [ann, taken]))).kind).toBe('refused');
    expect(one.state.rows.contacts.size).toBe(1);
    expect(await create(one, [taken])).toMatchObject([{ is: 'refused', code: 'CONFLICT', existing: holder }]);
  });
});

describe('create without an anchor', () => {
  it('is not keyed and gives each item its own outcome', async () => {
    const one = world({}, { anchorProperty: '' });
    const holder = add(one, { email: 'taken@acme.example' });
    expect(one.contact.create?.keyed).toBe(false);
    const results = await create(one, [
      { firstname: 'A' },
      { email: 'taken@acme.example' },
      { email: 'b@acme.example', phone: '' },
    ]);
    expect(results).toMatchObject([{ is: 'done' }, { is: 'refused', existing: holder }, { is: 'done' }]);
    expect(one.sent.map((request) => [new URL(request.url).pathname, request.repeatable])).toEqual([
      ['/crm/v3/objects/contacts/batch/create', false],
    ]);
  });

  it('does not guess where an answer names neither trace nor value', async () => {
    nock('https://h.example')
      .post('/crm/v3/objects/contacts/batch/create')
      .reply(207, {
        results: [{ id: '7', properties: { email: 'a@acme.example' } }],
        errors: [{ category: 'VALIDATION_ERROR', message: 'one was bad' }],
      });
    const kind = hubspot.open({ token: 't', anchorProperty: '', baseUrl: 'https://h.example' }, overHttp)
      .kinds['contact'];
    const item = (key: string, properties: JsonObject) => ({ key, value: { properties } });
    const results = await kind?.create?.send(
      [item('1', { email: 'A@acme.example' }), item('2', { phone: '1' }), item('3', { phone: '2' })],
      { key: 'c' },
    );
    expect(results?.map((result) => result.is)).toEqual(['done', 'unknown', 'unknown']);
  });
});

describe('update and remove', () => {
  it('fits answers without traces and in another order to their items by id', async () => {
    nock('https://h.example')
      .post('/crm/v3/objects/contacts/batch/update')
      .reply(207, {
        results: [
          { id: '3', properties: {} },
          { id: '1', properties: {} },
        ],
        errors: [{ category: 'VALIDATION_ERROR', message: 'one was bad' }],
      });
    const kind = hubspot.open({ token: 't', baseUrl: 'https://h.example' }, overHttp).kinds['contact'];
    const items = ['1', '2', '3'].map((id) => ({ key: `k${id}`, id, value: { properties: { city: 'x' } } }));
    expect(await kind?.update?.send(items, { key: 'c' })).toEqual([
      { is: 'done', id: '1' },
      { is: 'refused', code: 'VALIDATION_ERROR', message: 'one was bad' },
      { is: 'done', id: '3' },
    ]);
  });

  it('changes only what is sent, and null clears', async () => {
    const one = world();
    const id = add(one, { firstname: 'Ann', lastname: 'Smith', phone: '1' });
    expect(await update(one, { [id]: { lastname: 'Jones', phone: null } })).toEqual([{ is: 'done', id }]);
    const look = (await one.contact.read?.([id]))?.get(id);
    expect(look?.is === 'object' && propertiesOf(look.object.value)).toMatchObject({
      firstname: 'Ann',
      lastname: 'Jones',
      phone: null,
    });
  });

  it('tells the bad, the gone and the merged apart, item by item', async () => {
    const one = world();
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => add(one, { firstname: name })) as [
      string,
      string,
      string,
      string,
    ];
    one.call('DELETE', `/crm/v3/objects/contacts/${b}`);
    const survivor = String(
      one.call('POST', '/crm/v3/objects/contacts/merge', { primaryObjectId: c, objectIdToMerge: d }).body[
        'id'
      ],
    );
    const e = add(one, { firstname: 'e' });
    const results = await update(one, {
      [a]: { lastname: 'x' },
      [b]: { lastname: 'x' },
      [c]: { lastname: 'x' },
      [e]: { email: 'bad' },
    });
    expect(results).toMatchObject([
      { is: 'done', id: a },
      { is: 'gone' },
      { is: 'gone', movedTo: survivor },
      { is: 'refused', code: 'VALIDATION_ERROR' },
    ]);
    expect(results?.[1]).toEqual({ is: 'gone' });
  });

  it('does not take a whole batch for gone when one of it is', async () => {
    const one = world({ multiStatus: false });
    const [a, b] = [add(one, { firstname: 'a' }), add(one, { firstname: 'b' })];
    one.call('DELETE', `/crm/v3/objects/contacts/${b}`);
    expect((await troubleIn(update(one, { [a]: { lastname: 'x' }, [b]: { lastname: 'x' } }))).kind).toBe(
      'refused',
    );
    expect(await update(one, { [b]: { lastname: 'x' } })).toEqual([{ is: 'gone' }]);
  });

  it('sends a second change of one object in a second batch', async () => {
    const one = world();
    const id = add(one, { firstname: 'a' });
    const results = await one.contact.update?.send(
      ['x', 'y'].map((lastname) => ({ key: `k${lastname}`, id, value: { properties: { lastname } } })),
      { key: 'c' },
    );
    expect(results).toEqual([
      { is: 'done', id },
      { is: 'done', id },
    ]);
    expect(one.state.rows.contacts.get(id)?.properties['lastname']).toBe('y');
  });

  it('archives, and again without harm', async () => {
    const one = world();
    const id = add(one, { name: 'Acme' }, 'companies');
    for (const _ of [1, 2])
      expect(await one.company.remove?.send([{ key: 'k', id }], { key: 'c' })).toEqual([{ is: 'done', id }]);
    expect((await one.company.read?.([id]))?.get(id)).toEqual({ is: 'gone' });
  });
});

// ---------------------------------------------------------------- the sandbox

describe('sandbox', () => {
  it('answers a bad token, an unknown path and a bad type as HubSpot does', () => {
    const one = world();
    const request = { method: 'GET', path: '/crm/v3/objects/contacts', headers: {}, body: Buffer.from('') };
    const { response } = sandbox.handle(request, one.state, start, () => 0);
    expect([response.status, JSON.parse(response.body)]).toMatchObject([
      401,
      { category: 'INVALID_AUTHENTICATION', correlationId: expect.any(String) },
    ]);
    expect(one.call('GET', '/nothing').status).toBe(404);
    expect(one.call('GET', '/crm/v3/objects/__proto__').status).toBe(400);
    expect(one.call('GET', '/crm/objects/2026-03/0-1').status).toBe(200);
  });

  it('enforces both limits apart, and tells what is left except on search', () => {
    const one = world({ tenSecondLimit: 2, searchLimit: 1 });
    const list = () => one.call('GET', '/crm/v3/objects/contacts');
    const search = () => one.call('POST', '/crm/v3/objects/contacts/search', { limit: 1 });
    expect(list().headers['x-hubspot-ratelimit-remaining']).toBe('1');
    expect(list().status).toBe(200);
    expect(list()).toMatchObject({
      status: 429,
      body: { policyName: 'TEN_SECONDLY_ROLLING', errorType: 'RATE_LIMIT' },
    });
    const first = search();
    expect([first.status, first.headers['x-hubspot-ratelimit-max']]).toEqual([200, undefined]);
    expect(search()).toMatchObject({
      status: 429,
      body: { policyName: 'SECONDLY', message: 'You have reached your secondly limit.' },
    });
    one.now += 10_000;
    expect([list().status, search().status]).toEqual([200, 200]);
    const daily = world({ dailyLimit: 1 });
    daily.call('GET', '/crm/v3/objects/contacts');
    expect(daily.call('GET', '/crm/v3/objects/contacts').body['policyName']).toBe('DAILY');
    daily.now = start + 14 * 3_600_000;
    expect(daily.call('GET', '/crm/v3/objects/contacts').status).toBe(200);
  });

  it('ignores a stage that moves back, unless it was cleared first', async () => {
    const one = world();
    const id = add(one, { lifecyclestage: 'customer' });
    const stage = () => one.state.rows.contacts.get(id)?.properties['lifecyclestage'];
    expect(await update(one, { [id]: { lifecyclestage: 'lead' } })).toEqual([{ is: 'done', id }]);
    expect(stage()).toBe('customer');
    await update(one, { [id]: { lifecyclestage: null } });
    await update(one, { [id]: { lifecyclestage: 'lead' } });
    expect(stage()).toBe('lead');
  });

  it('holds to the bounds of search', () => {
    const one = world();
    const search = (body: JsonObject) => one.call('POST', '/crm/v3/objects/contacts/search', body).status;
    expect(search({ limit: 201 })).toBe(400);
    expect(search({ limit: 200, after: '9900' })).toBe(400);
    expect(search({ properties: ['x'.repeat(3000)] })).toBe(400);
    expect(search({ limit: 200, after: '9800' })).toBe(200);
  });

  it('lets a new object appear in search late', () => {
    const one = world({ searchLag: 10_000 });
    add(one, { firstname: 'Ann' });
    const total = () => one.call('POST', '/crm/v3/objects/contacts/search', {}).body['total'];
    expect(total()).toBe(0);
    one.now += 10_001;
    expect(total()).toBe(1);
  });

  it('sends signed webhooks that the connector takes, with who did what', () => {
    const hookUrl = 'https://gw.example/hooks/crm?k=a%3Ab';
    const one = world({ clientSecret: secret, hookUrl }, { clientSecret: secret });
    const id = add(one, { firstname: 'Ann', lifecyclestage: 'lead' });
    one.call('PATCH', `/crm/v3/objects/contacts/${id}`, {
      properties: { lifecyclestage: 'customer', firstname: 'Ann' },
    });
    one.call('DELETE', `/crm/v3/objects/contacts/${id}`);
    expect(one.hooks).toHaveLength(3);
    const hints = one.hooks.map(({ after, request }) => {
      const hook = { ...request, body: Buffer.from(request.body) };
      one.now = start + after;
      expect(one.session.hooks?.verify(hook)).toEqual({ ok: true });
      return one.session.hooks?.hints(hook);
    });
    expect(hints).toMatchObject([
      [
        {
          kind: 'contact',
          id,
          history: [
            { pointer: '/properties/firstname', value: 'Ann', by: 'CRM_UI userId:ann' },
            { pointer: '/properties/lifecyclestage', value: 'lead' },
          ],
        },
      ],
      [
        {
          kind: 'contact',
          id,
          history: [
            {
              pointer: '/properties/lifecyclestage',
              value: 'customer',
              at: start,
              by: 'INTEGRATION 4210286',
            },
          ],
        },
      ],
      [{ kind: 'contact', id }],
    ]);
    expect(hints[1]?.[0]?.history).toHaveLength(1);
    expect(hints[2]?.[0]?.history).toBeUndefined();
  });

  it('splits many events into deliveries of a hundred', () => {
    const one = world({ clientSecret: secret, hookUrl: uri });
    const inputs = Array.from({ length: 60 }, (_, i) => ({
      properties: { firstname: `n${i}` },
      objectWriteTraceId: `t${i}`,
    }));
    expect(one.call('POST', '/crm/v3/objects/contacts/batch/create', { inputs }).status).toBe(201);
    expect(one.hooks.map(({ request }) => (JSON.parse(request.body) as Json[]).length)).toEqual([100, 20]);
  });

  it('merges into a new object that old ids lead to, or into the primary', () => {
    const one = world({ mergeKeepsId: true });
    const [a, b] = [
      add(one, { firstname: 'a', crosswalk_id: 'r1' }),
      add(one, { lastname: 'b', crosswalk_id: 'r2' }),
    ];
    const { body } = one.call('POST', '/crm/v3/objects/contacts/merge', {
      primaryObjectId: a,
      objectIdToMerge: b,
    });
    expect(body).toMatchObject({ id: a, properties: { hs_merged_object_ids: b } });
    const read = one.call(
      'GET',
      `/crm/v3/objects/contacts/${b}?properties=firstname,lastname,crosswalk_id`,
    ).body;
    expect(read).toMatchObject({ id: a, properties: { firstname: 'a', lastname: 'b', crosswalk_id: 'r1' } });
  });
});
