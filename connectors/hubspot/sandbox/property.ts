/** Property definitions and validation rules: what the account's people see under Settings → Properties. */
import type { Json, JsonObject, SandboxRequest, SandboxResponse } from '../../../src/connector.ts';
import { member, rowsOf } from '../account.ts';
import {
  answer,
  bodyOf,
  notFound,
  Refusal,
  type Definition,
  type Option,
  type Rule,
  type State,
  type TypeName,
} from './state.ts';

const shown = (definition: Definition, archived: boolean): JsonObject => ({
  name: definition.name,
  label: definition.label,
  description: '',
  groupName: 'information',
  type: definition.type,
  fieldType: definition.fieldType,
  options: definition.options.map((option, displayOrder) => ({ ...option, displayOrder })),
  hasUniqueValue: definition.unique,
  hidden: false,
  calculated: false,
  externalOptions: false,
  hubspotDefined: definition.standard,
  dataSensitivity: definition.sensitivity,
  archived,
  modificationMetadata: {
    archivable: !definition.standard,
    readOnlyDefinition: definition.standard,
    readOnlyOptions: false,
    readOnlyValue: definition.readOnly,
  },
});

const textIn = (body: JsonObject, name: string, otherwise: string): string => {
  const value = member(body, name);
  return typeof value === 'string' ? value : otherwise;
};

const optionsIn = (given: Json | undefined, before: readonly Option[]): readonly Option[] =>
  given === undefined
    ? before
    : rowsOf(given).map((one) => ({
        value: textIn(one, 'value', ''),
        label: textIn(one, 'label', ''),
        hidden: member(one, 'hidden') === true,
      }));

/** The definition with what a body says; what it does not say stays. */
const changed = (definition: Definition, body: JsonObject): Definition => ({
  ...definition,
  label: textIn(body, 'label', definition.label),
  type: textIn(body, 'type', definition.type),
  fieldType: textIn(body, 'fieldType', definition.fieldType),
  options: optionsIn(body['options'], definition.options),
});

const created = (body: JsonObject): Definition => {
  const name = textIn(body, 'name', '');
  if (name === '' || textIn(body, 'label', '') === '')
    throw new Refusal(400, 'VALIDATION_ERROR', 'Some required fields were not set: [name, label]');
  const sensitivity = textIn(body, 'dataSensitivity', 'non_sensitive');
  const plain: Definition = {
    name,
    label: name,
    type: 'string',
    fieldType: 'text',
    options: [],
    readOnly: false,
    unique: body['hasUniqueValue'] === true,
    standard: false,
    sensitivity:
      sensitivity === 'sensitive' || sensitivity === 'highly_sensitive' ? sensitivity : 'non_sensitive',
    rules: [],
  };
  return changed(plain, body);
};

const all = (
  state: State,
  type: TypeName,
  request: SandboxRequest,
  query: URLSearchParams,
): SandboxResponse => {
  const live = state.definitions[type];
  if (request.method === 'POST') {
    const definition = created(bodyOf(request));
    if (live.has(definition.name))
      throw new Refusal(
        409,
        'OBJECT_ALREADY_EXISTS',
        `A property named '${definition.name}' already exists.`,
      );
    live.set(definition.name, definition);
    state.archived[type].delete(definition.name);
    return answer(201, shown(definition, false));
  }
  if (request.method !== 'GET') throw new Refusal(405, 'METHOD_NOT_ALLOWED', 'Method not allowed');
  const archived = query.get('archived') === 'true';
  const wanted = query.get('dataSensitivity') ?? 'non_sensitive';
  const rows = [...(archived ? state.archived[type] : live).values()].filter(
    (definition) => definition.sensitivity === wanted,
  );
  return answer(200, { results: rows.map((definition) => shown(definition, archived)) });
};

/** `/properties/{type}` and `/properties/{type}/{name}`. */
export const properties = (
  state: State,
  type: TypeName,
  name: string,
  request: SandboxRequest,
  query: URLSearchParams,
): SandboxResponse => {
  if (name === '') return all(state, type, request, query);
  const live = state.definitions[type];
  const definition = live.get(name);
  if (definition === undefined) throw notFound(`Property ${name}`);
  switch (request.method) {
    case 'GET':
      return answer(200, shown(definition, false));
    case 'PATCH': {
      const next = changed(definition, bodyOf(request));
      live.set(name, next);
      return answer(200, shown(next, false));
    }
    case 'DELETE':
      if (definition.standard)
        throw new Refusal(
          400,
          'VALIDATION_ERROR',
          `${name} is a HubSpot defined property and cannot be archived`,
        );
      live.delete(name);
      state.archived[type].set(name, definition);
      return { status: 204, body: '' };
    default:
      throw new Refusal(405, 'METHOD_NOT_ALLOWED', 'Method not allowed');
  }
};

/** `/property-validations/{type}`, and `/{name}/rule-type/{rule}` below it. */
export const validations = (
  state: State,
  type: TypeName,
  rest: string,
  request: SandboxRequest,
): SandboxResponse => {
  const live = state.definitions[type];
  if (rest === '' && request.method === 'GET') {
    const ruled = [...live.values()].filter((definition) => definition.rules.length > 0);
    return answer(200, {
      results: ruled.map(({ name, rules }) => ({
        propertyName: name,
        propertyValidationRules: rules.map((rule) => ({
          ruleType: rule.ruleType,
          ruleArguments: [...rule.ruleArguments],
          shouldApplyNormalization: false,
        })),
      })),
    });
  }
  const [name = '', word, ruleType = ''] = rest.split('/');
  const definition = live.get(name);
  if (definition === undefined || word !== 'rule-type') throw notFound();
  if (request.method !== 'PUT') throw new Refusal(405, 'METHOD_NOT_ALLOWED', 'Method not allowed');
  const given = bodyOf(request)['ruleArguments'];
  const rule: Rule = { ruleType, ruleArguments: Array.isArray(given) ? given.map(String) : [] };
  const others = definition.rules.filter((one) => one.ruleType !== ruleType);
  live.set(name, { ...definition, rules: [...others, rule] });
  return { status: 204, body: '' };
};
