import nock from 'nock';
import { afterEach, describe, expect, it } from 'vitest';
import hubspot from '../../connectors/hubspot/index.ts';
import type { Settings } from '../../connectors/hubspot/account.ts';
import { existingIn, untilMidnight } from '../../connectors/hubspot/trouble.ts';
import { Trouble, type Json, type JsonObject, type Page } from '../../src/connector.ts';
import { add, drain, overHttp, propertiesOf, responseOf, start, troubleIn, world } from './hubspot-world.ts';

afterEach(() => nock.cleanAll());

describe('troubles', () => {
  const trouble = (
    status: number,
    body: Json,
    headers: Record<string, string> = {},
    settings: Partial<Settings> = {},
  ): Trouble | undefined => {
    const one = world({}, settings);
    return one.session.trouble?.(responseOf(status, headers, JSON.stringify(body)), {
      method: 'GET',
      url: 'https://x',
      repeatable: true,
    });
  };

  it.each([
    [400, 'refused'],
    [401, 'forbidden'],
    [403, 'forbidden'],
    [404, 'gone'],
    [409, 'refused'],
    [414, 'refused'],
    [423, 'busy'],
    [429, 'busy'],
    [477, 'busy'],
    [500, 'unknown'],
    [502, 'unknown'],
    [503, 'busy'],
    [504, 'unknown'],
    [521, 'unknown'],
    [522, 'unknown'],
    [523, 'unknown'],
    [524, 'unknown'],
    [525, 'unreachable'],
    [526, 'unreachable'],
  ])('%i is %s', (status, kind) => {
    expect(trouble(status, { message: 'words', category: 'CODE' })).toMatchObject({
      kind,
      detail: { status, message: 'words', code: 'CODE' },
    });
  });

  it('waits as each limit asks', () => {
    const wait = (policyName: string, headers = {}, settings = {}): number | undefined =>
      trouble(429, { message: 'You have reached your limit.', policyName }, headers, settings)?.detail
        .retryAfter;
    expect(wait('TEN_SECONDLY_ROLLING')).toBe(10_000);
    expect(wait('SECONDLY')).toBe(1000);
    expect(wait('TEN_SECONDLY_ROLLING', { 'retry-after': '3' })).toBe(3000);
    expect(wait('DAILY')).toBe(3_600_000);
    expect(wait('DAILY', {}, { timeZone: 'Nowhere/None' })).toBe(3_600_000);
    // 10:00 UTC is 11:00 in Berlin in March, and 18:00 in Shanghai.
    expect(wait('DAILY', {}, { timeZone: 'Europe/Berlin' })).toBe(13 * 3_600_000);
    expect(wait('DAILY', {}, { timeZone: 'Asia/Shanghai' })).toBe(6 * 3_600_000);
    expect(untilMidnight(start, 'UTC')).toBe(14 * 3_600_000);
    expect(trouble(429, { message: 'You have reached your secondly limit.' })?.detail.retryAfter).toBe(1000);
    expect(
      trouble(429, { message: 'You have reached your ten_secondly_rolling limit.' })?.detail.retryAfter,
    ).toBe(10_000);
    expect(trouble(423, {})?.detail.retryAfter).toBe(2000);
    expect(trouble(477, {}, { 'retry-after': '7200' })?.detail.retryAfter).toBe(7_200_000);
  });

  it('parks only the kind when a scope is missing', () => {
    const body = {
      category: 'MISSING_SCOPES',
      message: 'no',
      context: { requiredGranularScopes: ['crm.objects.companies.read'] },
    };
    expect(trouble(403, body)?.detail).toMatchObject({
      scoped: true,
      message: 'no; needs the scope crm.objects.companies.read',
    });
    expect(trouble(403, { category: 'BANNED' })?.detail.scoped).toBeUndefined();
  });

  it('survives an error page that is not JSON, and leaves good answers alone', () => {
    const one = world();
    const page = {
      ...responseOf(502, {}, '<html>'),
      json: (): Json => {
        throw new Trouble('unknown', { message: 'no JSON' });
      },
    };
    expect(one.session.trouble?.(page, { method: 'GET', url: 'https://x', repeatable: true })).toMatchObject({
      kind: 'unknown',
      detail: { status: 502 },
    });
    expect(trouble(207, {})).toBeUndefined();
  });

  it('finds the holder of a value in the words of a conflict', () => {
    expect(existingIn('Contact already exists. Existing ID: 1145814089')).toBe('1145814089');
    expect(existingIn('Cannot set x on 12. 345 already has that value.')).toBe('345');
    expect(existingIn('nothing')).toBeUndefined();
  });
});

// ---------------------------------------------------------------- settings

describe('connection', () => {
  it('plans the calls of a day where it is known when that begins, and reads how many are left', () => {
    const given = { token: 't', dailyLimit: 5000, timeZone: 'Asia/Shanghai' };
    expect(hubspot.quotas?.(given)).toEqual([{ name: 'calls', count: 5000, zone: 'Asia/Shanghai' }]);
    expect(hubspot.limits?.(given).map(({ name }) => name)).not.toContain('calls:day');
    for (const other of [{ dailyLimit: 0 }, { timeZone: 'Nowhere/None' }]) {
      expect(hubspot.quotas?.({ ...given, ...other })).toEqual([]);
      expect(hubspot.limits?.({ ...given, ...other }).some(({ name }) => name === 'calls:day')).toBe(
        !('dailyLimit' in other),
      );
    }
    const { session } = world();
    const left = (headers: Record<string, string>): unknown =>
      session.left?.({ status: 200, headers, bytes: new Uint8Array(), json: () => null });
    expect(left({ 'x-hubspot-ratelimit-daily-remaining': '249999' })).toEqual({
      name: 'calls',
      left: 249_999,
    });
    expect(left({})).toBeUndefined();
    expect(left({ 'x-hubspot-ratelimit-daily-remaining': 'many' })).toBeUndefined();
  });

  it('declares its limits and hosts', () => {
    const limits = hubspot.limits?.({ token: 't', tenSecondLimit: 190, dailyLimit: 0 });
    expect(limits).toEqual([
      { name: 'calls:ten-seconds', count: 190, per: 10_000 },
      { name: 'search', count: 5, per: 1000 },
    ]);
    expect(hubspot.limits?.({ token: 't' })).toContainEqual({
      name: 'calls:day',
      count: 250_000,
      per: 86_400_000,
    });
    expect(hubspot.hosts({ token: 't' })).toEqual(['https://api.hubapi.com']);
  });

  it('checks account and anchor, and says what is amiss', async () => {
    const one = world();
    expect(await one.session.check()).toBe('HubSpot account 44237313 (STANDARD, UTC)');
    const other = world({}, { anchorProperty: 'our_id' });
    expect(await other.session.check()).toContain('contacts: the property our_id does not exist yet');
    const loose = world({ properties: { contacts: ['our_id'] } }, { anchorProperty: 'our_id' });
    expect(await loose.session.check()).toContain(
      'contacts: the property our_id does not require unique values',
    );
    const wrong = world({}, { portalId: '5' });
    expect((await troubleIn(wrong.session.check())).detail.message).toBe(
      'the token belongs to account 44237313, and the settings name 5',
    );
    expect((await troubleIn(world({}, { token: 'bad' }).session.check())).kind).toBe('forbidden');
  });

  it('sends what HubSpot documents, over real HTTP and in either path style', async () => {
    const filter = (propertyName: string, operator: string, value: string) => ({
      propertyName,
      operator,
      value,
    });
    const body = (name: string) => ({
      filterGroups: [
        { filters: [filter(name, 'GTE', '1700000000000'), filter(name, 'LT', '1700000600000')] },
      ],
      sorts: [{ propertyName: name, direction: 'ASCENDING' }],
      properties: [name, 'hs_object_id'],
      limit: 200,
    });
    // nock answers only what equals these in path, token and body.
    const scope = nock('https://api.hubapi.com', { reqheaders: { authorization: 'Bearer pat-na1-x' } })
      .post('/crm/v3/objects/contacts/search', body('lastmodifieddate'))
      .reply(200, { total: 0, results: [] })
      .post('/crm/objects/2026-03/companies/search', body('hs_lastmodifieddate'))
      .reply(200, { total: 0, results: [] });
    const window = { since: 1_700_000_000_000, until: 1_700_000_600_000 };
    await hubspot.open({ token: 'x' }, overHttp).kinds['contact']?.changes?.(window, null);
    await hubspot
      .open({ token: 'x', apiVersion: '2026-03' }, overHttp)
      .kinds['company']?.changes?.(window, null);
    expect(scope.isDone()).toBe(true);
  });

  it('adds the own properties of an account to the shape and to what is asked for', async () => {
    const one = world(
      { properties: { contacts: ['favourite'] } },
      { contactProperties: ['favourite', 'constructor'] },
    );
    const id = add(one, { firstname: 'Ann', favourite: 'tea' });
    const look = (await one.contact.read?.([id]))?.get(id);
    expect(look?.is === 'object' && propertiesOf(look.object.value)['favourite']).toBe('tea');
    const shape = one.contact.schema['properties'] as Record<string, { properties: JsonObject }>;
    expect(Object.keys(shape['properties']?.properties ?? {})).toContain('favourite');
    expect(Object.hasOwn(shape['properties']?.properties ?? {}, 'constructor')).toBe(false);
  });
});

// ---------------------------------------------------------------- reading

describe('reading', () => {
  it('shows every property that it asked for, empty as null', async () => {
    const one = world();
    const id = add(one, { email: ' Ann@Acme.Example ', firstname: 'Ann', phone: '' });
    const look = (await one.contact.read?.([id]))?.get(id);
    if (look?.is !== 'object') throw new Error('not read');
    expect(propertiesOf(look.object.value)).toMatchObject({
      email: 'ann@acme.example',
      firstname: 'Ann',
      phone: null,
      lastname: null,
      hs_object_id: id,
    });
    expect(look.object.modifiedAt).toBe(start);
    expect(look.object.version).toBeUndefined();
  });

  it('tells the archived, the unknown, the impossible and the merged apart', async () => {
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
    const looks = await one.contact.read?.([a, b, c, d, '999999999', 'not-an-id']);
    expect(looks?.get(a)?.is).toBe('object');
    expect(looks?.get(b)).toEqual({ is: 'gone' });
    expect(looks?.get(c)).toEqual({ is: 'moved', to: survivor });
    expect(looks?.get(d)).toEqual({ is: 'moved', to: survivor });
    expect(looks?.get('999999999')).toEqual({ is: 'gone' });
    expect(looks?.get('not-an-id')).toEqual({ is: 'gone' });
    expect(one.sent.filter((request) => request.method === 'GET')).toHaveLength(4);
  });

  it('scans everything once', async () => {
    const one = world();
    const ids = Array.from({ length: 230 }, (_, i) => add(one, { firstname: `n${i}` }));
    one.call('DELETE', `/crm/v3/objects/contacts/${ids[3]}`);
    const seen: string[] = [];
    let page: string | null = null;
    do {
      const got: Page | undefined = await one.contact.scan?.(page);
      seen.push(...(got?.objects ?? []).map((object) => object.id));
      page = got?.next ?? null;
    } while (page !== null);
    expect(seen).toEqual(ids.filter((_, i) => i !== 3));
    expect(one.sent).toHaveLength(3);
  });
});

describe('changes', () => {
  it('gives what was modified in the window, lower end in and upper end out', async () => {
    const one = world();
    const ids = [0, 1, 2, 3].map((step) => {
      one.now = start + step;
      return add(one, { firstname: `n${step}` });
    });
    one.now = start + 100;
    expect((await drain(one, start + 1, start + 3)).ids).toEqual(ids.slice(1, 3));
    expect(one.sent.find((request) => request.url.endsWith('/search'))?.limits).toEqual(['search']);
  });

  it('gives a bulk update of one stamp once each, and what comes before and after it', async () => {
    const one = world();
    const first = add(one, { firstname: 'first' });
    one.now += 1;
    const bulk = Array.from({ length: 1050 }, (_, i) => add(one, { firstname: `b${i}` }));
    one.now += 1;
    const last = add(one, { firstname: 'last' });
    one.now += 1000;
    const { ids } = await drain(one, start, one.now);
    expect(ids.toSorted()).toEqual([first, ...bulk, last].toSorted());
  });

  it('ends when the bulk fills the window to its last page exactly', async () => {
    const one = world();
    const bulk = Array.from({ length: 400 }, (_, i) => add(one, { firstname: `b${i}` }));
    const { ids, pages } = await drain(one, start, start + 1);
    expect(ids).toEqual(bulk);
    expect(pages).toBeLessThan(6);
  });

  it('misses nothing when objects leave the window while it is read', async () => {
    const one = world();
    const ids = Array.from({ length: 700 }, (_, i) => {
      one.now = start + Math.floor(i / 3);
      return add(one, { firstname: `n${i}` });
    });
    const until = start + 10_000;
    one.now = until;
    let edited = 0;
    one.after = (request) => {
      if (!request.url.endsWith('/search')) return;
      one.now += 1;
      one.call('PATCH', `/crm/v3/objects/contacts/${ids[edited]}`, { properties: { lastname: 'x' } }, 'ann');
      edited += 1;
    };
    const seen = new Set((await drain(one, start, until)).ids);
    expect(ids.filter((id) => !seen.has(id))).toEqual([]);
    expect(edited).toBeGreaterThan(3);
  });

  it('shows an object as it is and not as the index remembers it', async () => {
    const one = world({ searchLag: 60_000 });
    const id = add(one, { firstname: 'old' });
    one.now += 120_000;
    one.call('PATCH', `/crm/v3/objects/contacts/${id}`, { properties: { firstname: 'new' } }, 'ann');
    const page = await one.contact.changes?.({ since: start, until: start + 1000 }, null);
    expect(page?.objects.map((object) => propertiesOf(object.value)['firstname'])).toEqual(['new']);
  });

  it.each([
    ['x'],
    ['{}'],
    ['{"from":"1","skip":[]}'],
    ['{"from":1,"skip":[2]}'],
    ['{"from":1,"skip":[],"tie":"a"}'],
  ])('calls %s no cursor', async (page) => {
    expect((await troubleIn(world().contact.changes?.({ since: 0, until: 1e13 }, page))).kind).toBe(
      'cursor-lost',
    );
  });
});

describe('find', () => {
  it('finds by exact values although search is looser', async () => {
    const one = world();
    const a = add(one, {
      email: 'ann@acme.example',
      phone: '+86 138 0013 8001',
      crosswalk_id: 'r1',
      firstname: 'Ann',
    });
    add(one, { email: 'bob@acme.example', phone: '+1 138 0013 8001', crosswalk_id: 'r2', firstname: 'ann' });
    const by = (...equals: [string, Json][]) =>
      one.contact.find?.by(new Map(equals.map(([name, value]) => [`/properties/${name}`, value])));
    expect(await by(['crosswalk_id', 'r1'])).toEqual([a]);
    expect(await by(['email', 'ANN@acme.example'])).toEqual([a]);
    expect(await by(['phone', '+8613800138001'])).toEqual([a]);
    expect(await by(['firstname', 'Ann'])).toEqual([a]);
    expect(
      await by(['firstname', 'Ann'], ['lastname', null], ['company', null], ['email', 'x@y.example']),
    ).toEqual([]);
    expect(
      await by(['firstname', 'Ann'], ['lastname', null], ['company', null], ['email', 'ann@acme.example']),
    ).toEqual([a]);
    expect(one.contact.find?.pointers[0]).toBe('/properties/crosswalk_id');
  });
});
