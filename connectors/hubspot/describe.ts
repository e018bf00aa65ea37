/** What the properties of an account are like now, from their definitions and the account's rules for their values. */
import { Trouble, type Json, type JsonObject, type JsonSchema } from '../../src/connector.ts';
import { isObject, member, rowsOf, type Api } from './account.ts';
import type { ObjectType } from './record.ts';

/** Every account has it, so an answer without it is not whole. */
const always = 'hs_object_id';

/** All values are text; what text a property takes that is not one of free text. */
const patterns: Readonly<Record<string, string>> = {
  number: '^-?\\d+(\\.\\d+)?$',
  date: '^(-?\\d{1,15}|\\d{4}-\\d{2}-\\d{2}(T.*)?)$',
  datetime: '^(-?\\d{1,15}|\\d{4}-\\d{2}-\\d{2}(T.*)?)$',
};

const textIn = (json: Json | undefined, key: string): string => {
  const value = member(json, key);
  return typeof value === 'string' ? value.slice(0, 500) : '';
};

/** What the answer to a question that this token may not ask, or this account does not know, comes to. */
const unlessDenied = async (ask: Promise<JsonObject>): Promise<JsonObject> => {
  try {
    return await ask;
  } catch (error) {
    if (error instanceof Trouble && ['forbidden', 'gone', 'refused'].includes(error.kind)) return {};
    throw error;
  }
};

/** The definitions of the properties that the connection asks for. Sensitive ones are listed only when asked for as such. */
const definitionsOf = async (api: Api, type: ObjectType): Promise<ReadonlyMap<string, JsonObject>> => {
  const found = new Map<string, JsonObject>();
  const take = (answer: JsonObject): void => {
    for (const one of rowsOf(answer['results']))
      if (member(one, 'archived') !== true) found.set(textIn(one, 'name'), one);
  };
  take(await api.get(api.properties(type.path, '')));
  if (!found.has(always))
    throw new Trouble('unknown', {
      message: `HubSpot listed the properties of ${type.path} without ${always}`,
    });
  for (const level of ['sensitive', 'highly_sensitive']) {
    if (type.properties.every((name) => found.has(name))) break;
    take(await unlessDenied(api.get(api.properties(type.path, `?dataSensitivity=${level}`))));
  }
  return found;
};

/** The shortest and longest text that the account's own rules allow, by property. */
const lengthsOf = async (api: Api, type: ObjectType): Promise<ReadonlyMap<string, JsonObject>> => {
  const { results } = await unlessDenied(api.get(api.validations(type.id)));
  return new Map(
    rowsOf(results).map((one): [string, JsonObject] => {
      const limits: JsonObject = {};
      for (const rule of rowsOf(member(one, 'propertyValidationRules'))) {
        const given = member(rule, 'ruleArguments');
        const length = Number(Array.isArray(given) ? given[0] : Number.NaN);
        if (!Number.isSafeInteger(length) || length < 1) continue;
        if (member(rule, 'ruleType') === 'MAX_LENGTH') limits['maxLength'] = length;
        if (member(rule, 'ruleType') === 'MIN_LENGTH') limits['minLength'] = length;
      }
      return [textIn(one, 'propertyName'), limits];
    }),
  );
};

/**
 * The options of a property of which one is taken; null where any text may stand. Hidden ones count: objects may hold
 * them. Of several that are taken at once the value is `a;b`, which is none of them.
 */
const optionsOf = (definition: JsonObject): readonly Json[] | null => {
  const type = textIn(definition, 'type');
  const values = rowsOf(definition['options'])
    .map((option) => member(option, 'value'))
    .filter((value) => typeof value === 'string');
  if (type === 'bool') return values.length > 0 ? values : ['true', 'false'];
  const isOne = type === 'enumeration' && textIn(definition, 'fieldType') !== 'checkbox';
  // Options that HubSpot keeps elsewhere (owners) are not listed.
  return isOne && values.length > 0 && definition['externalOptions'] !== true ? values : null;
};

const isFixed = (definition: JsonObject): boolean =>
  member(definition['modificationMetadata'], 'readOnlyValue') === true || definition['calculated'] === true;

/** One property as it is now. What is known of it and HubSpot does not tell (the anchor's use, an e-mail's length) stays. */
const placeOf = (known: JsonObject, definition: JsonObject, limits: JsonObject): JsonObject => {
  const { enum: _, pattern: __, readOnly, maxLength, ...rest } = known;
  const options = optionsOf(definition);
  const fixed = readOnly === true || isFixed(definition);
  const pattern = fixed ? undefined : patterns[textIn(definition, 'type')];
  const lengths = [maxLength, limits['maxLength']].filter((length) => typeof length === 'number');
  return {
    ...rest,
    title: textIn(definition, 'label') || (rest['title'] ?? ''),
    ...(options === null ? {} : { enum: [...options, null] }),
    ...(pattern === undefined ? {} : { pattern }),
    ...(lengths.length === 0 ? {} : { maxLength: Math.min(...lengths) }),
    ...(limits['minLength'] === undefined ? {} : { minLength: limits['minLength'] }),
    ...(fixed ? { readOnly: true } : {}),
  };
};

/** The schema of a type as the account has it now: the properties that the connection asks for and that are there. */
export const describe = async (api: Api, type: ObjectType): Promise<JsonSchema> => {
  const [definitions, lengths] = await Promise.all([definitionsOf(api, type), lengthsOf(api, type)]);
  const inner = member(type.schema['properties'], 'properties');
  const places = type.properties.flatMap((name): [string, JsonObject][] => {
    const definition = definitions.get(name);
    const known = member(member(inner, 'properties'), name);
    if (definition === undefined) return [];
    return [[name, placeOf(isObject(known) ? known : {}, definition, lengths.get(name) ?? {})]];
  });
  return {
    ...type.schema,
    properties: { properties: { ...(isObject(inner) ? inner : {}), properties: Object.fromEntries(places) } },
  };
};
