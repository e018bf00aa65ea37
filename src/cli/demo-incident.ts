/**
 * The old incident as a story: a batch sets every customer_id to "0". With the guard nothing is overwritten, all writing
 * pauses and the alarm names the source; without it, one undo brings everything back. Seen in the systems themselves.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  api,
  crm,
  eventually,
  hubspot,
  messages,
  text,
  type Fields,
  type Step,
  type Systems,
} from './demo-story.ts';

const people = 40;
/** ms that a batch may take to arrive everywhere: some systems are written one row at a time. */
const patience = 60_000;
const idOf = (n: number): string => `KH-2026-${String(n).padStart(5, '0')}`;
const mailOf = (n: number): string => `p${n}@huaxia-demo.cn`;

/** What both stories need of their earlier steps: HubSpot's ids, and when the batch came. */
const known = { ids: [] as string[], from: 0, to: 0 };

/** customer_id by e-mail. */
type Ids = ReadonlyMap<string, string>;

const rowsInCrm = async (systems: Systems): Promise<Fields[]> => {
  const { data } = await crm(systems, 'list', { limit: 100 });
  return (data ?? []) as Fields[];
};

const idsInCrm = async (systems: Systems): Promise<Ids> =>
  new Map((await rowsInCrm(systems)).map((row) => [text(row['email']), text(row['customer_id'])]));

const idsInHubspot = async (systems: Systems): Promise<Ids> => {
  const { results } = await hubspot(
    systems,
    'GET',
    '/crm/v3/objects/contacts?limit=100&properties=email,customer_id',
  );
  return new Map(
    ((results ?? []) as { properties: Fields }[]).map(({ properties }) => [
      text(properties['email']),
      text(properties['customer_id']),
    ]),
  );
};

const right: Ids = new Map(Array.from({ length: people }, (_, n) => [mailOf(n), idOf(n)]));

/** How many hold the id that is theirs. */
const intact = (ids: Ids): number => [...right].filter(([mail, id]) => ids.get(mail) === id).length;

const counts = async (systems: Systems): Promise<{ hubspot: number; crm: number }> => ({
  hubspot: intact(await idsInHubspot(systems)),
  crm: intact(await idsInCrm(systems)),
});

/** An edit by a person, who is asked to come again while the gateway uses up what the CRM allows. */
const retitle = async (systems: Systems, id: unknown, title: string): Promise<void> => {
  await eventually(async () => {
    const body = { data_id: id, data: { title: { value: title } } };
    return (await crm(systems, 'update', body, '张三'))['data'] !== undefined;
  }, patience);
};

const load: Step = async (systems) => {
  const inputs = Array.from({ length: people }, (_, n) => ({
    properties: { lastname: '王', firstname: `小明${n}`, email: mailOf(n), customer_id: idOf(n) },
  }));
  const made = await hubspot(systems, 'POST', '/crm/v3/objects/contacts/batch/create', { inputs });
  known.ids = ((made['results'] ?? []) as { id: string }[]).map(({ id }) => id);
  const all = await eventually(async () => intact(await idsInCrm(systems)) === people, patience);
  return {
    step: 'load',
    title: `${people} customers with their ids, in both systems`,
    seen: all === true,
    lines: [
      `ids that are right: HubSpot ${intact(await idsInHubspot(systems))}, CRM ${intact(await idsInCrm(systems))}`,
    ],
  };
};

/** The batch: every id becomes "0" in HubSpot. */
const arrive = async (systems: Systems): Promise<void> => {
  known.from = Date.now();
  const inputs = known.ids.map((id) => ({ id, properties: { customer_id: '0' } }));
  await hubspot(systems, 'POST', '/crm/v3/objects/contacts/batch/update', { inputs }, 'import script');
};

const refused: Step = async (systems) => {
  await arrive(systems);
  const alarm = await eventually(
    async () => (await messages(systems)).find((one) => one.includes('all writing is stopped')),
    patience,
  );
  const { hubspot: here, crm: there } = await counts(systems);
  return {
    step: 'refused',
    title: `A batch of ${people} updates arrives with customer_id "0": nothing is overwritten, and the alarm names the source`,
    seen: there === people && alarm?.includes('connection hubspot') === true,
    lines: [
      `ids that are right: HubSpot ${here} (the batch), CRM ${there}`,
      `WeCom: ${alarm ?? '(nothing)'}`,
    ],
  };
};

const paused: Step = async (systems) => {
  const [row] = await rowsInCrm(systems);
  await retitle(systems, row?.['_id'], '采购经理');
  // Long enough for a poll and a write.
  await sleep(7000);
  const titles = async (): Promise<number> => {
    const { results } = await hubspot(
      systems,
      'GET',
      '/crm/v3/objects/contacts?limit=100&properties=jobtitle',
    );
    const all = (results ?? []) as { properties: Fields }[];
    return all.filter(({ properties }) => properties['jobtitle'] === '采购经理').length;
  };
  const meanwhile = await titles();
  await api(systems, 'POST', 'syncs/all/resume', {});
  const back = await eventually(
    async () => (await titles()) === 1 && intact(await idsInHubspot(systems)) === people,
    patience,
  );
  return {
    step: 'paused',
    title:
      'All writing waits for a person; once resumed, the edit of meanwhile arrives and every id is put back',
    seen: meanwhile === 0 && back === true,
    lines: [
      `an edit in the CRM while writing is paused: in HubSpot ${meanwhile} times`,
      `ids that are right after the resume: HubSpot ${intact(await idsInHubspot(systems))}, CRM ${intact(await idsInCrm(systems))}`,
    ],
  };
};

const overwritten: Step = async (systems) => {
  await arrive(systems);
  const zeros = (ids: Ids): number => [...ids.values()].filter((id) => id === '0').length;
  const spread = await eventually(async () => zeros(await idsInCrm(systems)) === people, patience);
  known.to = Date.now();
  return {
    step: 'overwritten',
    title: 'The same batch, without the guard: it reaches the CRM',
    seen: spread === true,
    lines: [
      `"0" in HubSpot ${zeros(await idsInHubspot(systems))} times, in the CRM ${zeros(await idsInCrm(systems))} times`,
    ],
  };
};

const undone: Step = async (systems) => {
  // Somebody works on meanwhile: that stays.
  const [row] = await rowsInCrm(systems);
  await retitle(systems, row?.['_id'], '总监');
  const scope = {
    connection: 'hubspot',
    from: new Date(known.from).toISOString(),
    to: new Date(known.to).toISOString(),
  };
  const { run } = await api(systems, 'POST', 'undo/apply', { ...scope, by: 'Lin' });
  const all = await eventually(async () => {
    const { hubspot: here, crm: there } = await counts(systems);
    return here === people && there === people;
  }, patience);
  const after = (await rowsInCrm(systems)).find((one) => one['_id'] === row?.['_id']);
  const { hubspot: here, crm: there } = await counts(systems);
  return {
    step: 'undone',
    title: 'One undo restores every id in both systems, and keeps what was edited since',
    seen: all === true && after?.['title'] === '总监',
    lines: [
      `undo ${text(run)} of connection hubspot from ${scope.from} to ${scope.to}`,
      `ids that are right: HubSpot ${here}, CRM ${there}; the later edit in the CRM: ${text(after?.['title'])}`,
    ],
  };
};

export const guarded: readonly Step[] = [load, refused, paused];
export const unguarded: readonly Step[] = [load, overwritten, undone];
