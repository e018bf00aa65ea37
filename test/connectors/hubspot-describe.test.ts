import { describe, expect, it } from 'vitest';
import type { Definition } from '../../connectors/hubspot/sandbox/state.ts';
import { Trouble, type Json, type JsonObject, type JsonSchema, type Kind } from '../../src/connector.ts';
import { changesOf } from '../../src/mapping/changes.ts';
import { add, propertiesOf, troubleIn, world, type World } from './hubspot-world.ts';

/** The live schema, from the account's property definitions. */

const asked = async (kind: Kind): Promise<JsonSchema> => {
  const schema = await kind.describe?.();
  if (schema === undefined) throw new Error('the kind does not describe itself');
  return schema;
};

const placesOf = (schema: JsonSchema): Record<string, JsonObject> =>
  propertiesOf(schema['properties'] as JsonObject)['properties'] as Record<string, JsonObject>;

const differences = async (kind: Kind): Promise<unknown[]> =>
  changesOf(kind.schema, await asked(kind)).map(({ sort, pointer, was, is }) => [sort, pointer, was, is]);

const ok = (one: World, method: string, path: string, body?: Json): void => {
  const { status, body: said } = one.call(method, path, body, 'ann');
  if (status >= 300) throw new Error(`${status} ${JSON.stringify(said)}`);
};

const edit = (one: World, name: string, change: Partial<Definition>): void => {
  const { contacts } = one.state.definitions;
  const definition = contacts.get(name);
  if (definition === undefined) throw new Error(name);
  contacts.set(name, { ...definition, ...change });
};

describe('describe', () => {
  it.each(['v3', '2026-03'])(
    'finds an account in its usual state to be as shipped, and only reads (%s)',
    async (apiVersion) => {
      const one = world({}, { apiVersion });
      expect(await differences(one.contact)).toEqual([]);
      expect(await differences(one.company)).toEqual([]);
      expect(new Set(one.sent.map((request) => request.method))).toEqual(new Set(['GET']));
      expect(one.sent).toHaveLength(4);
      expect(Object.keys(placesOf(await asked(one.contact)))).toEqual(
        Object.keys(placesOf(one.contact.schema)),
      );
    },
  );

  it('tells an option that was renamed, one that came, and one that people no longer see', async () => {
    const one = world();
    const options = (one.state.definitions.contacts.get('lifecyclestage')?.options ?? []).map((option) => ({
      ...option,
      value: option.value === 'lead' ? 'prospect' : option.value,
      hidden: option.value === 'other',
    }));
    ok(one, 'PATCH', '/crm/v3/properties/contacts/lifecyclestage', {
      options: [...options, { value: 'vip', label: 'VIP', hidden: false }] as Json,
    });
    expect(await differences(one.contact)).toEqual([
      ['option-gone', '/properties/lifecyclestage', 'lead', null],
      ['option-new', '/properties/lifecyclestage', null, 'prospect'],
      ['option-new', '/properties/lifecyclestage', null, 'vip'],
    ]);
    expect(await differences(one.company)).toEqual([]);
  });

  it('tells a property that was archived, and that came back with its values', async () => {
    const one = world();
    const id = add(one, { email: 'a@x.example', customer_id: 'KH-1' });
    ok(one, 'DELETE', '/crm/v3/properties/contacts/customer_id');
    expect(await differences(one.contact)).toEqual([['gone', '/properties/customer_id', 'text', null]]);
    const look = (await one.contact.read?.([id]))?.get(id);
    expect(look?.is === 'object' && propertiesOf(look.object.value)['customer_id']).toBe(null);
    ok(one, 'POST', '/crm/v3/properties/contacts', { name: 'customer_id', label: 'Customer number' });
    expect(await differences(one.contact)).toEqual([]);
    const again = (await one.contact.read?.([id]))?.get(id);
    expect(again?.is === 'object' && propertiesOf(again.object.value)['customer_id']).toBe('KH-1');
  });

  it('tells what can no longer be written, what got shorter, and what holds numbers now', async () => {
    const one = world();
    edit(one, 'jobtitle', { readOnly: true });
    edit(one, 'zip', { type: 'number', fieldType: 'number' });
    ok(one, 'PUT', '/crm/v3/property-validations/0-1/email/rule-type/MAX_LENGTH', { ruleArguments: ['60'] });
    ok(one, 'PUT', '/crm/v3/property-validations/0-1/company/rule-type/MAX_LENGTH', {
      ruleArguments: ['20'],
    });
    ok(one, 'PUT', '/crm/v3/property-validations/0-1/company/rule-type/MIN_LENGTH', { ruleArguments: ['2'] });
    ok(one, 'PUT', '/crm/v3/property-validations/0-1/city/rule-type/ALPHANUMERIC', {
      ruleArguments: ['ALPHA_ONLY'],
    });
    const told = await differences(one.contact);
    expect(told).toHaveLength(5);
    expect(told).toEqual(
      expect.arrayContaining([
        ['read-only', '/properties/jobtitle', false, true],
        ['narrower', '/properties/zip', null, { pattern: expect.any(String) as unknown }],
        ['narrower', '/properties/email', { maxLength: 254 }, { maxLength: 60 }],
        ['narrower', '/properties/company', null, { maxLength: 20 }],
        ['narrower', '/properties/company', null, { minLength: 2 }],
      ]),
    );
    // The account means it: what breaks its rules is refused.
    expect(
      one.call('POST', '/crm/v3/objects/contacts', { properties: { company: 'x'.repeat(21) } }).status,
    ).toBe(400);
  });

  it("shows the account's own properties as far as the connection asks for them", async () => {
    const own = ['tier', 'score', 'born', 'langs', 'vip', 'salary', 'lost', 'constructor'];
    const one = world(
      { properties: { contacts: ['tier', 'score', 'born', 'langs', 'vip', 'unasked'] } },
      { contactProperties: own },
    );
    const option = (value: string) => ({ value, label: value.toUpperCase(), hidden: false });
    edit(one, 'tier', {
      label: '等级',
      type: 'enumeration',
      fieldType: 'radio',
      options: ['a', 'b'].map(option),
    });
    edit(one, 'score', { type: 'number', fieldType: 'number' });
    edit(one, 'born', { type: 'date', fieldType: 'date' });
    edit(one, 'langs', { type: 'enumeration', fieldType: 'checkbox', options: ['zh', 'en'].map(option) });
    edit(one, 'vip', { type: 'bool', fieldType: 'booleancheckbox', options: [] });
    ok(one, 'POST', '/crm/v3/properties/contacts', {
      name: 'salary',
      label: 'Salary',
      dataSensitivity: 'sensitive',
    });
    const places = placesOf(await asked(one.contact));
    expect(places['tier']).toMatchObject({ title: '等级', enum: ['a', 'b', null], type: ['string', 'null'] });
    expect(places['score']?.['pattern']).toBeDefined();
    expect(new RegExp(String(places['born']?.['pattern']), 'u').test('2026-03-01')).toBe(true);
    expect(places['langs']).not.toHaveProperty('enum');
    expect(places['vip']).toMatchObject({ enum: ['true', 'false', null] });
    expect(places).toHaveProperty('salary');
    expect(places).not.toHaveProperty('lost');
    expect(places).not.toHaveProperty('unasked');
  });

  it('does not take an answer for whole that lacks what every account has', async () => {
    const one = world();
    one.state.definitions.contacts.delete('hs_object_id');
    const trouble = await troubleIn(asked(one.contact));
    expect([trouble.kind, trouble.detail.message]).toEqual([
      'unknown',
      'HubSpot listed the properties of contacts without hs_object_id',
    ]);
  });

  it('is told what the token may not see, and goes without the rules that it may not', async () => {
    const one = world();
    const denied = new Trouble('forbidden', {
      message: 'needs the scope crm.schemas.contacts.read',
      scoped: true,
    });
    one.before = (request) => {
      if (request.url.includes('/property-validations/')) throw denied;
    };
    expect(await differences(one.contact)).toEqual([]);
    one.before = () => {
      throw denied;
    };
    expect(await troubleIn(asked(one.contact))).toBe(denied);
    one.before = (request) => {
      if (request.url.includes('/property-validations/')) throw new Trouble('busy', { message: 'later' });
    };
    expect((await troubleIn(asked(one.contact))).kind).toBe('busy');
  });

  it('takes nothing from a definition that is not as it should be', async () => {
    const one = world();
    const { definitions } = one.state;
    edit(one, 'company', { rules: [{ ruleType: 'MAX_LENGTH', ruleArguments: ['many'] }] });
    edit(one, 'city', { type: 'quantum', fieldType: '__proto__' });
    expect(definitions.contacts.get('city')?.type).toBe('quantum');
    expect(await differences(one.contact)).toEqual([]);
  });
});
