/** Creating, changing, archiving and merging one object, with HubSpot's checks and the events they cause. */
import type { Json, JsonObject } from '../../../src/connector.ts';
import { isObject } from '../account.ts';
import {
  holderKey,
  liveRow,
  modifiedName,
  newId,
  Refusal,
  reindex,
  word,
  type Definition,
  type Row,
  type State,
  type TypeName,
  type Visit,
} from './state.ts';

const invalid = (name: string, error: string, message: string): Refusal =>
  new Refusal(
    400,
    'VALIDATION_ERROR',
    `Property values were not valid: ${JSON.stringify([{ isValid: false, message, error, name, localizedErrorMessage: message }])}`,
    { errors: [{ message, code: error, context: { propertyName: [name] } }] },
  );

/** What HubSpot makes of a value. */
const kept = (definition: Definition, value: string): string =>
  definition.name === 'email' ? value.trim().toLowerCase() : value;

const checkValue = (definition: Definition, value: string): void => {
  const { name, label, options, type } = definition;
  if (value === '') return;
  if (value.length > 65_536)
    throw invalid(name, 'VALUE_TOO_LONG', `${label} is longer than 65536 characters`);
  for (const { ruleType, ruleArguments } of definition.rules) {
    const length = Number(ruleArguments[0]);
    if (ruleType === 'MAX_LENGTH' && value.length > length)
      throw invalid(name, 'INVALID_LENGTH', `Enter at most ${length} characters`);
    if (ruleType === 'MIN_LENGTH' && value.length < length)
      throw invalid(name, 'INVALID_LENGTH', `Enter at least ${length} characters`);
  }
  const values = options.map((option) => option.value);
  if (type === 'enumeration' && !values.includes(value)) {
    throw invalid(
      name,
      'INVALID_OPTION',
      `${value} was not one of the allowed options: [${values.join(', ')}]`,
    );
  }
  if (type === 'number' && !/^-?\d+(\.\d+)?$/u.test(value))
    throw invalid(name, 'INVALID_NUMBER', `${value} was not a valid number.`);
  if (name === 'email' && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/u.test(kept(definition, value))) {
    throw invalid(name, 'INVALID_EMAIL', `Email address ${value} is invalid`);
  }
};

/** The checked properties of an input; throws the Refusal that HubSpot would answer. */
export const checked = (
  state: State,
  type: TypeName,
  given: Json | undefined,
  own: string | null,
): Record<string, string> => {
  if (!isObject(given))
    throw new Refusal(400, 'VALIDATION_ERROR', 'Invalid input JSON: properties is required');
  const result: Record<string, string> = {};
  for (const [name, raw] of Object.entries(given)) {
    const definition = state.definitions[type].get(name);
    if (definition === undefined)
      throw invalid(name, 'PROPERTY_DOESNT_EXIST', `Property "${name}" does not exist`);
    if (definition.readOnly)
      throw invalid(name, 'READ_ONLY_VALUE', `"${name}" is a read only property; its value cannot be set.`);
    const value = raw === null ? '' : String(raw);
    checkValue(definition, value);
    result[name] = kept(definition, value);
    const holder =
      definition.unique && value !== '' ? state.holders.get(holderKey(type, name, result[name])) : undefined;
    if (holder === undefined || holder === own) continue;
    if (own === null && name === 'email') {
      throw new Refusal(409, 'CONFLICT', `Contact already exists. Existing ID: ${holder}`);
    }
    const message = `Cannot set PropertyValueCoordinates{propertyName=${name}, value=${value}} on ${own ?? 'a new object'}. ${holder} already has that value.`;
    throw new Refusal(400, 'VALIDATION_ERROR', message, {
      errors: [{ message, code: 'CONFLICTING_UNIQUE_VALUE' }],
    });
  }
  return result;
};

const baseEvent = (visit: Visit, row: Row, what: string): JsonObject => ({
  // One number for all that a request causes: HubSpot does not promise that it is unique.
  eventId: visit.now % 1_000_000_000,
  subscriptionId: what === 'propertyChange' ? 2_902_227 : 2_902_200 + what.length,
  portalId: Number(visit.state.options.portalId),
  appId: Number(visit.state.options.appId),
  occurredAt: visit.now,
  subscriptionType: `${word(row.type)}.${what}`,
  attemptNumber: 0,
  objectId: Number(row.id),
  ...visit.by,
});

/** Sets values, moves the stamp (also if nothing differs, as bulk tools do), and notes one event per real change. */
const setValues = (visit: Visit, row: Row, values: Readonly<Record<string, string>>): void => {
  const { state, now } = visit;
  for (const [name, value] of Object.entries(values)) {
    const before = row.properties[name] ?? '';
    const definition = state.definitions[row.type].get(name);
    if (definition === undefined || before === value) continue;
    // A stage moves forward only: a step back is ignored without a word, unless the stage was cleared before.
    const order = definition.options.map((option) => option.value);
    if (
      name === 'lifecyclestage' &&
      before !== '' &&
      value !== '' &&
      order.indexOf(value) < order.indexOf(before)
    )
      continue;
    if (definition.unique) {
      if (before !== '') state.holders.delete(holderKey(row.type, name, before));
      if (value !== '') state.holders.set(holderKey(row.type, name, value), row.id);
    }
    row.properties[name] = value;
    if (!definition.readOnly) {
      visit.events.push({
        ...baseEvent(visit, row, 'propertyChange'),
        propertyName: name,
        propertyValue: value,
      });
    }
  }
  row.updatedAt = now;
  row.properties[modifiedName(row.type)] = new Date(now).toISOString();
  reindex(visit, row);
};

export const createRow = (visit: Visit, type: TypeName, values: Readonly<Record<string, string>>): Row => {
  const id = newId(visit);
  const made = { hs_object_id: id, createdate: new Date(visit.now).toISOString() };
  const row: Row = {
    id,
    type,
    properties: made,
    createdAt: visit.now,
    updatedAt: visit.now,
    archivedAt: null,
    mergedInto: null,
    index: [],
  };
  visit.state.rows[type].set(id, row);
  visit.events.push({ ...baseEvent(visit, row, 'creation'), changeFlag: 'NEW' });
  setValues(visit, row, values);
  return row;
};

export const updateRow = (visit: Visit, row: Row, values: Readonly<Record<string, string>>): Row => {
  setValues(visit, row, values);
  return row;
};

/** Frees what no live object holds any more. */
const release = (state: State, row: Row): void => {
  for (const definition of state.definitions[row.type].values()) {
    const key = holderKey(row.type, definition.name, row.properties[definition.name] ?? '');
    if (definition.unique && state.holders.get(key) === row.id) state.holders.delete(key);
  }
};

export const archiveRow = (visit: Visit, row: Row): void => {
  row.archivedAt = visit.now;
  release(visit.state, row);
  visit.events.push({ ...baseEvent(visit, row, 'deletion'), changeFlag: 'DELETED' });
  reindex(visit, row);
};

/** Merges `loser` into `primary`; the survivor is a new object unless the option says otherwise. */
export const mergeRows = (visit: Visit, type: TypeName, primaryId: string, loserId: string): Row => {
  const { state } = visit;
  const primary = liveRow(state, type, primaryId);
  const loser = liveRow(state, type, loserId);
  if (primary === undefined || loser === undefined || primary === loser) {
    throw new Refusal(400, 'VALIDATION_ERROR', 'Both objects of a merge must exist and differ');
  }
  const values: Record<string, string> = {};
  let moved = 0;
  for (const { name, readOnly } of state.definitions[type].values()) {
    const own = primary.properties[name] ?? '';
    const value = own === '' ? (loser.properties[name] ?? '') : own;
    if (readOnly || value === '') continue;
    values[name] = value;
    if (own === '') moved += 1;
  }
  const keeps = state.options.mergeKeepsId;
  const gone = keeps ? [loser] : [primary, loser];
  for (const row of gone) release(state, row);
  const events = visit.events.length;
  const survivor = keeps ? primary : createRow(visit, type, {});
  for (const row of gone) {
    row.mergedInto = survivor.id;
    reindex(visit, row);
  }
  const former = [primary, loser].flatMap((row) =>
    `${row.properties['hs_merged_object_ids'] ?? ''};${row.id}`.split(';'),
  );
  const ids = [...new Set(former)].filter((id) => id !== '' && id !== survivor.id).join(';');
  setValues(visit, survivor, { ...values, hs_merged_object_ids: ids });
  // A merge is told as one event, not as what it did to the survivor.
  visit.events.splice(events);
  visit.events.push({
    ...baseEvent(visit, primary, 'merge'),
    primaryObjectId: Number(primary.id),
    mergedObjectIds: [Number(loser.id)],
    newObjectId: Number(survivor.id),
    numberOfPropertiesMoved: moved,
  });
  return survivor;
};
