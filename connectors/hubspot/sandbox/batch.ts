/** The batch calls: at most 100 inputs, results and errors side by side (207) where each input carries a trace id. */
import type { Json, JsonObject, SandboxResponse } from '../../../src/connector.ts';
import { member, rowsOf } from '../account.ts';
import {
  answer,
  holderKey,
  liveRow,
  Refusal,
  shownRow,
  word,
  type Row,
  type TypeName,
  type Visit,
} from './state.ts';
import { archiveRow, checked, createRow, updateRow } from './write.ts';

const inputMost = 100;

export const textIn = (json: Json | undefined, key: string): string | undefined => {
  const value = member(json, key);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
};

/** Names in a list; nothing if it is no list. */
export const listIn = (json: Json | undefined, key: string): string[] => {
  const value = member(json, key);
  return Array.isArray(value) ? value.map(String) : [];
};

const inputsOf = (body: JsonObject, nameOf: (input: JsonObject) => string | undefined): JsonObject[] => {
  const inputs = rowsOf(body['inputs']);
  if (inputs.length === 0)
    throw new Refusal(400, 'VALIDATION_ERROR', 'Invalid input JSON: inputs is required');
  if (inputs.length > inputMost) {
    throw new Refusal(
      400,
      'VALIDATION_ERROR',
      `The maximum number of inputs supported in a batch request for property objects is ${inputMost}`,
    );
  }
  const names = inputs.map(nameOf).filter((name) => name !== undefined);
  if (new Set(names).size < names.length)
    throw new Refusal(400, 'VALIDATION_ERROR', 'Duplicate IDs found in batch input');
  return inputs;
};

const uniqueName = (visit: Visit, type: TypeName, body: JsonObject): string | undefined => {
  const name = textIn(body, 'idProperty');
  if (name === undefined || name === 'hs_object_id') return undefined;
  if (visit.state.definitions[type].get(name)?.unique === true) return name;
  throw new Refusal(
    400,
    'VALIDATION_ERROR',
    `Property ${name} does not exist or is not a unique identifier property`,
  );
};

/** A live object by its own id, or by a unique value; ids that were merged away are not known here. */
const rowBy = (visit: Visit, type: TypeName, name: string | undefined, id: string): Row | undefined => {
  const own = name === undefined ? id : visit.state.holders.get(holderKey(type, name, id));
  return own === undefined ? undefined : liveRow(visit.state, type, own);
};

const finish = (
  visit: Visit,
  results: JsonObject[],
  errors: JsonObject[],
  status: number,
): SandboxResponse => {
  const at = new Date(visit.now).toISOString();
  const failures: JsonObject = errors.length === 0 ? {} : { numErrors: errors.length, errors };
  return answer(errors.length === 0 ? status : 207, {
    status: 'COMPLETE',
    startedAt: at,
    completedAt: at,
    results,
    ...failures,
  });
};

const missing = (type: TypeName, ids: readonly string[]): JsonObject => ({
  status: 'error',
  category: 'OBJECT_NOT_FOUND',
  message: `Could not get some ${word(type).toUpperCase()} objects, they may be deleted or not exist. Check that ids are valid.`,
  context: { ids: [...ids] },
});

export const batchRead = (visit: Visit, type: TypeName, body: JsonObject): SandboxResponse => {
  const inputs = inputsOf(body, () => undefined);
  const name = uniqueName(visit, type, body);
  const ids = [...new Set(inputs.map((input) => textIn(input, 'id') ?? ''))];
  if (name === undefined && ids.some((id) => !/^\d+$/u.test(id))) {
    throw new Refusal(400, 'VALIDATION_ERROR', 'Some ids are not valid numbers');
  }
  const rows = ids.map((id) => rowBy(visit, type, name, id));
  const asked = [...listIn(body, 'properties'), ...(name === undefined ? [] : [name])];
  const results = rows.filter((row) => row !== undefined).map((row) => shownRow(visit.state, row, asked));
  const lost = ids.filter((_, i) => rows[i] === undefined);
  return finish(visit, results, lost.length === 0 ? [] : [missing(type, lost)], 200);
};

/** What an input is to do: checks it, and returns the act. Throws the Refusal of a bad input. */
type Planned = (input: JsonObject) => () => { readonly row: Row; readonly isNew?: boolean };

const defaults: Readonly<Record<TypeName, readonly string[]>> = {
  contacts: ['email', 'firstname', 'lastname'],
  companies: ['name', 'domain'],
};

/** What the answer to a write shows: what was set, and the defaults; not the whole object. */
export const writtenRow = (visit: Visit, row: Row, input: JsonObject): JsonObject =>
  shownRow(visit.state, row, [
    ...(defaults[row.type] ?? []),
    ...Object.keys(member(input, 'properties') ?? {}),
  ]);

const runBatch = (
  visit: Visit,
  inputs: readonly JsonObject[],
  plan: Planned,
  status: number,
): SandboxResponse => {
  const traces = inputs.map((input) => textIn(input, 'objectWriteTraceId'));
  const told = traces.filter((trace) => trace !== undefined);
  const apart = visit.state.options.multiStatus && new Set(told).size === inputs.length;
  // Without trace ids the first bad row fails all: nothing is done before every row has been checked.
  if (!apart) for (const input of inputs) plan(input);
  const results: JsonObject[] = [];
  const errors: JsonObject[] = [];
  for (const [i, input] of inputs.entries()) {
    const trace = traces[i];
    try {
      const { row, isNew } = plan(input)();
      results.push({
        ...writtenRow(visit, row, input),
        ...(isNew === undefined ? {} : { new: isNew }),
        ...(trace === undefined ? {} : { objectWriteTraceId: trace }),
      });
    } catch (error) {
      if (!(error instanceof Refusal) || !apart) throw error;
      const context = member(error.body, 'context');
      const ids = listIn(context, 'ids');
      errors.push({
        ...error.body,
        context: { objectWriteTraceId: [trace ?? ''], ...(ids.length === 0 ? {} : { ids }) },
      });
    }
  }
  return finish(visit, results, errors, status);
};

export const batchCreate = (visit: Visit, type: TypeName, body: JsonObject): SandboxResponse => {
  const plan: Planned = (input) => {
    const values = checked(visit.state, type, input['properties'], null);
    return () => ({ row: createRow(visit, type, values) });
  };
  return runBatch(
    visit,
    inputsOf(body, () => undefined),
    plan,
    201,
  );
};

export const batchUpdate = (visit: Visit, type: TypeName, body: JsonObject): SandboxResponse => {
  const plan: Planned = (input) => {
    const id = textIn(input, 'id') ?? '';
    const row = rowBy(visit, type, uniqueName(visit, type, input), id);
    if (row === undefined) {
      const { message, context } = missing(type, [id]);
      throw new Refusal(404, 'OBJECT_NOT_FOUND', String(message), { context: context ?? null });
    }
    const values = checked(visit.state, type, input['properties'], row.id);
    return () => ({ row: updateRow(visit, row, values) });
  };
  return runBatch(
    visit,
    inputsOf(body, (input) => textIn(input, 'id')),
    plan,
    200,
  );
};

export const batchUpsert = (visit: Visit, type: TypeName, body: JsonObject): SandboxResponse => {
  const plan: Planned = (input) => {
    const name = uniqueName(visit, type, input);
    const id = textIn(input, 'id') ?? '';
    const row = rowBy(visit, type, name, id);
    const given = checked(visit.state, type, input['properties'], row?.id ?? null);
    const values = name === undefined || row !== undefined ? given : { ...given, [name]: id };
    if (row === undefined) return () => ({ row: createRow(visit, type, values), isNew: true });
    // A partial upsert by e-mail is not supported: what was not sent may be lost, so here it is.
    const lost =
      name === 'email'
        ? Object.keys(row.properties).filter(
            (one) => visit.state.definitions[type].get(one)?.readOnly === false,
          )
        : [];
    return () => ({
      row: updateRow(visit, row, {
        ...Object.fromEntries(lost.map((one) => [one, ''])),
        ...values,
        ...(name === undefined ? {} : { [name]: id }),
      }),
      isNew: false,
    });
  };
  return runBatch(
    visit,
    inputsOf(body, (input) => textIn(input, 'id')),
    plan,
    200,
  );
};

/** Archives what is there; what is not is passed over. */
export const batchArchive = (visit: Visit, type: TypeName, body: JsonObject): SandboxResponse => {
  for (const input of inputsOf(body, () => undefined)) {
    const row = rowBy(visit, type, undefined, textIn(input, 'id') ?? '');
    if (row !== undefined) archiveRow(visit, row);
  }
  return { status: 204, body: '' };
};
