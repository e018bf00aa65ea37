/** The demo's story: what people do in the systems, and how it is seen there that Crosswalk did its part. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Systems {
  readonly hubspot: { readonly url: string; readonly token: string };
  readonly crm: { readonly url: string; readonly key: string; readonly app: string; readonly form: string };
  readonly wecom: { readonly url: string };
  readonly gateway: string;
  /** While on, no hook reaches the gateway. */
  deafen(on: boolean): void;
}

export interface StepResult {
  readonly step: string;
  readonly title: string;
  readonly seen: boolean;
  readonly lines: readonly string[];
}

export type Step = (systems: Systems) => Promise<StepResult>;
export type Fields = Record<string, unknown>;

const patience = 20_000;

/** What `look` finds, asked again until it finds something or patience ends. */
export const eventually = async <Found>(
  look: () => Promise<Found | undefined | false>,
  most = patience,
): Promise<Found | undefined> => {
  const end = Date.now() + most;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) return undefined;
    await sleep(100);
  }
};

export const call = async (
  method: string,
  url: string,
  headers: Record<string, string>,
  body?: unknown,
): Promise<Fields> => {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return text === '' ? {} : (JSON.parse(text) as Fields);
};

// ---------------------------------------------------------------- the systems, as a person sees them

export const hubspot = (
  systems: Systems,
  method: string,
  path: string,
  body?: unknown,
  person = 'Lin',
): Promise<Fields> =>
  call(
    method,
    `${systems.hubspot.url}${path}`,
    { authorization: `Bearer ${systems.hubspot.token}`, 'x-sandbox-actor': `person:${person}` },
    body,
  );

const contact = async (systems: Systems, id: string): Promise<Fields> => {
  const names = 'firstname,lastname,email,mobilephone,jobtitle,lifecyclestage,customer_id,crosswalk_id';
  const { properties } = await hubspot(systems, 'GET', `/crm/v3/objects/contacts/${id}?properties=${names}`);
  return (properties ?? {}) as Fields;
};

export const crm = (
  { crm: { url, key, app, form } }: Systems,
  path: string,
  body: Fields,
  person?: string,
): Promise<Fields> =>
  call(
    'POST',
    `${url}/api/v5/app/entry/data/${path}`,
    {
      authorization: `Bearer ${key}`,
      ...(person === undefined ? {} : { 'x-sandbox-actor': `person:${encodeURIComponent(person)}` }),
    },
    { app_id: app, entry_id: form, ...body },
  );

const inCrm = async (systems: Systems, field: string, value: string): Promise<Fields | undefined> => {
  const { data } = await crm(systems, 'list', {
    limit: 100,
    filter: { rel: 'and', cond: [{ field, method: 'eq', value: [value] }] },
  });
  return ((data ?? []) as Fields[]).find((row) => row[field] === value);
};

const editCrm = async (systems: Systems, id: unknown, person: string, fields: Fields): Promise<void> => {
  const data = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, { value }]));
  await crm(systems, 'update', { data_id: id, data }, person);
};

export const api = (systems: Systems, method: string, path: string, body?: unknown): Promise<Fields> =>
  call(method, `${systems.gateway}/api/v1/${path}`, {}, body);

export const text = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value ?? null);

// ---------------------------------------------------------------- the story

const email = 'xiaoming.wang@acme-demo.cn';
/** What later steps need of earlier ones. */
const known = { hubspot: '', crm: '' };

const file: Step = async (systems) => {
  const properties = {
    firstname: '小明',
    lastname: '王',
    email,
    mobilephone: '138 1234 5678',
    jobtitle: 'Buyer',
    lifecyclestage: 'lead',
    customer_id: 'C-1001',
  };
  known.hubspot = text((await hubspot(systems, 'POST', '/crm/v3/objects/contacts', { properties }))['id']);
  const row = await eventually(() => inCrm(systems, 'email', email));
  known.crm = text(row?.['_id']);
  return {
    step: 'lead',
    title: 'A lead filed in HubSpot appears in the CRM',
    seen:
      row !== undefined &&
      row['name'] === '王小明' &&
      row['mobile'] === '+8613812345678' &&
      row['stage'] === '线索',
    lines: [
      `HubSpot contact ${known.hubspot}: 王 / 小明, "138 1234 5678", lead`,
      `CRM ${known.crm}: ${text(row?.['name'])}, ${text(row?.['mobile'])}, ${text(row?.['stage'])}`,
    ],
  };
};

const edit: Step = async (systems) => {
  await editCrm(systems, known.crm, '张三', { title: '采购经理' });
  const seen = await eventually(
    async () => (await contact(systems, known.hubspot))['jobtitle'] === '采购经理',
  );
  return {
    step: 'edit',
    title: 'An edit in the CRM returns to HubSpot',
    seen: seen === true,
    lines: [
      '张三 changes the title in the CRM to 采购经理',
      `HubSpot jobtitle: ${text((await contact(systems, known.hubspot))['jobtitle'])}`,
    ],
  };
};

export const messages = async (systems: Systems): Promise<string[]> => {
  const said = (await call('GET', `${systems.wecom.url}/sandbox/messages`, {})) as unknown;
  const list = Array.isArray(said) ? said : ((said as { messages?: unknown[] }).messages ?? []);
  return (list as { text?: string }[]).map((one) => one.text ?? '');
};

const stage: Step = async (systems) => {
  await editCrm(systems, known.crm, '张三', { stage: '商机' });
  const said = await eventually(async () =>
    (await messages(systems)).find((one) => one.includes('opportunity')),
  );
  const there = await eventually(
    async () => (await contact(systems, known.hubspot))['lifecyclestage'] === 'opportunity',
  );
  return {
    step: 'notice',
    title: 'A stage change is posted to the WeCom group, and reaches HubSpot',
    seen: said !== undefined && said.includes('王小明') && there === true,
    lines: [
      `WeCom: ${said ?? '(nothing)'}`,
      `HubSpot lifecyclestage: ${text((await contact(systems, known.hubspot))['lifecyclestage'])}`,
    ],
  };
};

const conflict: Step = async (systems) => {
  await api(systems, 'POST', 'connections/hubspot/pause', { why: 'demo: both sides edit at once' });
  await api(systems, 'POST', 'connections/crm/pause', { why: 'demo: both sides edit at once' });
  await sleep(1500);
  await editCrm(systems, known.crm, '张三', { title: 'Director (CRM)' });
  await hubspot(systems, 'PATCH', `/crm/v3/objects/contacts/${known.hubspot}`, {
    properties: { jobtitle: 'Head of Buying (HubSpot)' },
  });
  await api(systems, 'POST', 'connections/hubspot/resume', {});
  await api(systems, 'POST', 'connections/crm/resume', {});
  const found = await eventually(async () => {
    const { conflicts } = (await api(systems, 'GET', 'conflicts')) as { conflicts?: Fields[] };
    return conflicts?.find((one) => one['field'] === 'title');
  });
  const before = [
    text((await contact(systems, known.hubspot))['jobtitle']),
    text((await inCrm(systems, 'email', email))?.['title']),
  ];
  await api(systems, 'POST', `conflicts/${encodeURIComponent(text(found?.['id']))}/resolve`, {
    choice: 'theirs',
    by: 'Lin',
  });
  const settled = await eventually(async () => {
    const here = (await contact(systems, known.hubspot))['jobtitle'];
    return here === (await inCrm(systems, 'email', email))?.['title'] && text(here);
  });
  return {
    step: 'conflict',
    title: 'Two people edit one field at once: nobody is overwritten, a person decides',
    seen: found !== undefined && before[0] !== before[1] && settled !== undefined,
    lines: [
      `waiting: HubSpot ${before[0]} | CRM ${before[1]}`,
      `decided, both sides: ${settled ?? '(differ)'}`,
    ],
  };
};

const placeholder: Step = async (systems) => {
  await editCrm(systems, known.crm, 'import script', { customer_id: '0' });
  const back = await eventually(
    async () => (await inCrm(systems, 'email', email))?.['customer_id'] === 'C-1001',
  );
  const there = (await contact(systems, known.hubspot))['customer_id'];
  return {
    step: 'placeholder',
    title: 'A script sets customer_id to "0": refused everywhere and put back',
    seen: back === true && there === 'C-1001',
    lines: [
      `CRM customer_id: ${text((await inCrm(systems, 'email', email))?.['customer_id'])}`,
      `HubSpot customer_id: ${text(there)}`,
    ],
  };
};

const parked: Step = async (systems) => {
  await hubspot(systems, 'PATCH', `/crm/v3/objects/contacts/${known.hubspot}`, {
    properties: { mobilephone: 'call the office' },
  });
  const item = await eventually(async () => {
    const { parked: items } = (await api(systems, 'GET', 'parked')) as { parked?: Fields[] };
    return items?.[0];
  });
  systems.deafen(true);
  await hubspot(systems, 'PATCH', `/crm/v3/objects/contacts/${known.hubspot}`, {
    properties: { mobilephone: '139 8765 4321' },
  });
  await sleep(400);
  systems.deafen(false);
  await api(systems, 'POST', `parked/${encodeURIComponent(text(item?.['id']))}/replay`, {});
  const seen = await eventually(
    async () => (await inCrm(systems, 'email', email))?.['mobile'] === '+8613987654321',
  );
  return {
    step: 'parked',
    title: 'A phone that is none parks, visibly; corrected and replayed it arrives',
    seen: item !== undefined && seen === true,
    lines: [
      `parked: ${text(item?.['message'])}`,
      `after the replay, CRM mobile: ${text((await inCrm(systems, 'email', email))?.['mobile'])}`,
    ],
  };
};

const trace: Step = async (systems) => {
  const query = `connection=hubspot&kind=contact&id=${known.hubspot}&field=stage`;
  const { lines = [] } = (await api(systems, 'GET', `trace?${query}`)) as {
    lines?: { at: string; text: string }[];
  };
  const both =
    lines.some((line) => line.text.includes('crm')) && lines.some((line) => line.text.includes('hubspot'));
  return {
    step: 'trace',
    title: "Where does HubSpot's stage come from? One line per hop",
    seen: lines.length >= 2 && both,
    lines: lines.map((line) => `${line.at} ${line.text}`),
  };
};

export const story: readonly Step[] = [file, edit, stage, conflict, placeholder, parked, trace];
