import { describe, expect, it } from 'vitest';
import type { Settings } from '../../connectors/hubspot/account.ts';
import { signatureV1, signatureV2, signatureV3, signedUri } from '../../connectors/hubspot/signature.ts';
import type { Hint, HookRequest, Json, JsonObject } from '../../src/connector.ts';
import { secret, uri, world } from './hubspot-world.ts';

const example = '{"example_field":"example_value"}';
const E =
  '[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]';

describe('signatures', () => {
  const v3 = (method: string, url: string, ts: string, body: string): string =>
    signatureV3(secret, { method, url, body: Buffer.from(body) }, ts);

  it.each([
    [
      'POST',
      uri,
      '1693657560000',
      "{'example_field':'example_value'}",
      'K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=',
    ],
    ['POST', uri, '1700000000000', example, 'rQEKkaNUiu+1qGF//O/pw4BCzstSqO1PyUnGICmf+7o='],
    ['POST', uri, '1564113600500', E, '+r3cQe2xhAmobOAMhJIrVNtvq0R4VE7rXpN8HitwqVo='],
    ['GET', uri, '1700000000000', '', 'r3KKZGKCAis7hc/eM/k4wr0D0ZRQhbee2UGU0SAPfxM='],
    [
      'POST',
      `${uri}?x=1%3A2&m=a%40b.c`,
      '1700000000000',
      example,
      '+BYVHdkiyHABl11ioisRWItfsLOD9l7LBTcI3gMLY1c=',
    ],
    [
      'POST',
      uri,
      '1700000000000',
      '[{"propertyValue":"Müller €"}]',
      'hJILi3Ruz1vRHAzOG1GcyvRj1EV7OHdFnAeFQazGkjg=',
    ],
  ])('v3 %s %s %s', (method, url, ts, body, expected) => {
    expect(v3(method, url, ts, body)).toBe(expected);
  });

  it('v1 and v2 of the official examples', () => {
    expect(signatureV1(secret, Buffer.from(E))).toBe(
      '232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de',
    );
    const none = { method: 'GET', url: uri, body: Buffer.from('') };
    expect(signatureV2(secret, none)).toBe(
      'eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e',
    );
    const some = { method: 'POST', url: uri, body: Buffer.from(example) };
    expect(signatureV2(secret, some)).toBe(
      '9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900',
    );
  });

  it('decodes the twelve escapes and no other', () => {
    expect(signedUri('https://h/a?b=%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B')).toBe(
      "https://h/a?b=:/?@!$'()*,;",
    );
    expect(signedUri('https://h/a?b=%20%25%26%3D%2B%E4%BD%A0')).toBe(
      'https://h/a?b=%20%25%26%3D%2B%E4%BD%A0',
    );
  });
});

describe('hooks', () => {
  const at = 1_564_113_600_500;
  const hook = (body: string, headers: Record<string, string> = {}, url = uri): HookRequest => {
    const bytes = Buffer.from(body);
    const signed = {
      'x-hubspot-request-timestamp': String(at),
      'x-hubspot-signature-v3': signatureV3(secret, { method: 'POST', url, body: bytes }, String(at)),
    };
    return { method: 'POST', url, headers: { ...signed, ...headers }, body: bytes };
  };
  const hooks = (settings: Partial<Settings> = {}, now = at + 1000) => {
    const one = world({}, { clientSecret: secret, ...settings });
    one.now = now;
    if (one.session.hooks === undefined) throw new Error('no hooks');
    return one.session.hooks;
  };

  it('takes a true signature, and none that is altered in any part', () => {
    expect(hooks().verify(hook(E))).toEqual({ ok: true });
    expect(hooks().verify({ ...hook(E), body: Buffer.from(`${E} `) }).ok).toBe(false);
    expect(hooks().verify({ ...hook(E), url: `${uri}/` }).ok).toBe(false);
    expect(hooks().verify({ ...hook(E), method: 'PUT' }).ok).toBe(false);
    expect(hooks().verify(hook(E, { 'x-hubspot-request-timestamp': String(at + 1) })).ok).toBe(false);
    expect(hooks().verify(hook(E, { 'x-hubspot-signature-v3': '' })).ok).toBe(false);
    expect(hooks({ clientSecret: 'other' }).verify(hook(E)).ok).toBe(false);
  });

  it('holds to five minutes, before and after', () => {
    expect(hooks({}, at + 300_000).verify(hook(E)).ok).toBe(true);
    expect(hooks({}, at + 300_001).verify(hook(E)).ok).toBe(false);
    expect(hooks({}, at - 300_000).verify(hook(E)).ok).toBe(true);
    expect(hooks({}, at - 300_001).verify(hook(E)).ok).toBe(false);
    expect(hooks().verify(hook(E, { 'x-hubspot-request-timestamp': `${at}.0` })).ok).toBe(false);
  });

  it('signs over the public address that a proxy hides, with the query of the request', () => {
    const inside = (url: string): HookRequest => ({ ...hook(E, {}, `${uri}?x=1%3A2`), url });
    expect(hooks({ publicUrl: uri }).verify(inside('http://10.0.0.3:8080/hooks/crm?x=1%3A2'))).toEqual({
      ok: true,
    });
    expect(hooks().verify(inside('http://10.0.0.3:8080/hooks/crm?x=1%3A2')).ok).toBe(false);
  });

  it('refuses signatures without a time unless they are allowed', () => {
    const old = {
      method: 'POST',
      url: uri,
      headers: { 'x-hubspot-signature': signatureV1(secret, Buffer.from(E)) },
      body: Buffer.from(E),
    };
    expect(hooks().verify(old).ok).toBe(false);
    expect(hooks({ allowUntimedSignatures: true }).verify(old)).toEqual({ ok: true });
    // A v3 header that is wrong is not rescued by an old one that is right.
    const both = hook(E, { ...old.headers, 'x-hubspot-signature-v3': 'x' });
    expect(hooks({ allowUntimedSignatures: true }).verify(both).ok).toBe(false);
  });

  it('has no hooks without a client secret', () => {
    expect(world().session.hooks).toBeUndefined();
  });

  const event = (more: JsonObject): JsonObject => ({
    eventId: 100,
    subscriptionId: 2_902_227,
    portalId: 44_237_313,
    occurredAt: at,
    attemptNumber: 0,
    objectId: 74_999_542_704,
    changeSource: 'CRM_UI',
    sourceId: 'userId:5',
    ...more,
  });
  const hintsOf = (events: Json, settings: Partial<Settings> = {}): readonly Hint[] =>
    hooks(settings).hints(hook(JSON.stringify(events)));

  it('names each object once, with the history of its properties in order of time', () => {
    const change = { subscriptionType: 'contact.propertyChange', propertyName: 'lifecyclestage' };
    const hints = hintsOf([
      event({ ...change, propertyValue: 'customer', occurredAt: at + 5 }),
      event({ ...change, propertyValue: 'lead' }),
      event({ ...change, propertyValue: 'lead', attemptNumber: 1 }),
      event({
        subscriptionType: 'object.propertyChange',
        objectTypeId: '0-2',
        objectId: 9,
        propertyName: 'name',
        propertyValue: '',
      }),
      event({ subscriptionType: 'deal.creation', objectId: 10 }),
      event({ subscriptionType: 'object.creation', objectTypeId: '0-3', objectId: 11 }),
      event({ subscriptionType: 'contact.associationChange', objectId: 12 }),
    ]);
    expect(hints).toEqual([
      {
        kind: 'contact',
        id: '74999542704',
        history: [
          {
            pointer: '/properties/lifecyclestage',
            value: 'lead',
            at,
            by: 'CRM_UI userId:5',
            event: `44237313:2902227:100:${at}:74999542704:lifecyclestage`,
          },
          {
            pointer: '/properties/lifecyclestage',
            value: 'customer',
            at: at + 5,
            by: 'CRM_UI userId:5',
            event: `44237313:2902227:100:${at + 5}:74999542704:lifecyclestage`,
          },
        ],
      },
      {
        kind: 'company',
        id: '9',
        history: [
          {
            pointer: '/properties/name',
            value: null,
            at,
            by: 'CRM_UI userId:5',
            event: `44237313:2902227:100:${at}:9:name`,
          },
        ],
      },
    ]);
  });

  it('names all objects of a merge', () => {
    const merge = {
      subscriptionType: 'contact.merge',
      objectId: 1,
      primaryObjectId: 1,
      mergedObjectIds: [2, 3],
      newObjectId: 4,
    };
    expect(hintsOf([event(merge)]).map((hint) => hint.id)).toEqual(['1', '4', '2', '3']);
  });

  it('tells no history for hidden or unknown properties, and passes over other accounts', () => {
    const change = { subscriptionType: 'contact.propertyChange' };
    const [hint] = hintsOf([
      event({ ...change, propertyName: 'phone', propertyValue: 'REDACTED', isSensitive: true }),
      event({ ...change, propertyName: '__proto__', propertyValue: 'x' }),
    ]);
    expect(hint).toEqual({ kind: 'contact', id: '74999542704' });
    expect(hintsOf([event({ subscriptionType: 'contact.creation' })], { portalId: '1' })).toEqual([]);
  });

  it.each([['{}'], ['no json'], ['[1]'], [JSON.stringify(Array.from({ length: 101 }, () => ({})))]])(
    'refuses the body %s',
    (body) => {
      expect(() => hooks().hints(hook(body))).toThrow(/HubSpot/u);
    },
  );
});
