/** What the fields of a form are like now, from the list of its widgets. */
import { Trouble, type Json, type JsonObject, type JsonSchema } from '../../src/connector.ts';
import { isObject, type Account, type Form } from './account.ts';

const text: JsonObject = { type: ['string', 'null'] };
const amount: JsonObject = { type: ['number', 'null'] };
const several: JsonObject = { type: ['array', 'null'], items: { type: 'string' } };
/** Read in one form and written in another (a member is read whole and written by name), or not to be written at all. */
const list: JsonObject = { type: ['array', 'null'], readOnly: true };
const whole: JsonObject = { type: ['object', 'null'], readOnly: true };

/** What each type of widget holds (hc.jiandaoyun.com, 字段与数据类型对照表). A type that is not here is left as it is known. */
const shapes: Readonly<Record<string, JsonObject>> = {
  text: { ...text },
  textarea: { ...text },
  radiogroup: { ...text },
  combo: { ...text },
  datetime: { ...text },
  number: { ...amount },
  checkboxgroup: { ...several },
  combocheck: { ...several },
  address: { type: ['object', 'null'] },
  location: { type: ['object', 'null'] },
  sn: { ...text, readOnly: true },
  phone: { ...whole },
  user: { ...whole },
  dept: { ...whole },
  usergroup: { ...list },
  deptgroup: { ...list },
  image: { ...list },
  upload: { ...list },
  subform: { ...list },
  lookup: { readOnly: true },
  linkdata: { readOnly: true },
  signature: { readOnly: true },
  aggregation: { readOnly: true },
};

/** Of these one option is chosen. The list of widgets does not tell which there are: they stay as they are known. */
const choices = new Set(['radiogroup', 'combo']);

const placeOf = (known: JsonObject, label: Json | undefined, type: string): JsonObject => {
  const title = typeof label === 'string' && label !== '' ? label.slice(0, 500) : (known['title'] ?? '');
  if (!Object.hasOwn(shapes, type)) return { ...known, title };
  const { type: _, enum: options, items: __, ...rest } = known;
  const kept: JsonObject = choices.has(type) && options !== undefined ? { enum: options } : {};
  return { ...rest, title, ...shapes[type], ...kept };
};

/** The schema of a form as it is now: the aliases that the connection asks for and that the form has. */
export const describe = async (account: Account, form: Form): Promise<JsonSchema> => {
  const { widgets } = await account.call('widgets', form, {});
  const named = new Map<string, JsonObject>();
  for (const widget of Array.isArray(widgets) ? widgets : [])
    if (isObject(widget) && typeof widget['name'] === 'string') named.set(widget['name'], widget);
  // A form without a field is no form: the answer was not what it should be.
  if (named.size === 0)
    throw new Trouble('unknown', { message: `the form of ${form.kind} was listed without a field` });
  const known = form.schema['properties'];
  const places = form.aliases.flatMap((alias): [string, JsonObject][] => {
    const widget = named.get(alias);
    const before = isObject(known) ? known[alias] : undefined;
    if (widget === undefined || !isObject(before)) return [];
    return [[alias, placeOf(before, widget['label'], String(widget['type']))]];
  });
  return { ...form.schema, properties: Object.fromEntries(places) };
};
