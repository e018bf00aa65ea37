/** status, runs, trace, record: what people ask. The store is read beside a running gateway. */
import { readSwitches } from '../sync/switches.ts';
import { keyUse } from '../credentials/rotation.ts';
import { CrosswalkError } from '../errors.ts';
import { typedMoment } from '../health/moment.ts';
import { quotaWords } from '../health/quotas.ts';
import { readingWords } from '../health/reading.ts';
import { lateWords } from '../health/ages.ts';
import { recordReport, type RecordReport } from '../health/record.ts';
import { runsReport, statusReport, type View } from '../health/reports.ts';
import { traceReport } from '../health/trace.ts';
import { loadInstallation, type Installation } from '../installation.ts';
import { openStore, whereIs } from '../store/open.ts';
import { masterKeys } from '../store/safe.ts';
import { driftCounts, touchWords } from '../mapping/drift.ts';
import { useWords } from './doctor-secrets.ts';
import { exits, json, say, table } from './output.ts';
import type { Common } from './program.ts';

/** Opens an installation's store for reading and deciding, without connections or loops. */
export const withView = async <Result>(
  { dir }: Common,
  work: (view: View, installation: Installation) => Promise<Result>,
): Promise<Result> => {
  const installation = loadInstallation(dir, process.env);
  const { config } = installation;
  const store = await openStore(whereIs(config, process.env), { mustExist: true });
  try {
    return await work({ store, config, switches: await readSwitches(store), now: Date.now }, installation);
  } finally {
    await store.close();
  }
};

const age = (ms: number | null): string =>
  ms === null ? '-' : ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;

const dayWords = (days: number): string => (days <= 0 ? 'OVER' : `in ${days} ${days === 1 ? 'day' : 'days'}`);

export const status = (options: Common): Promise<number> =>
  withView(options, async (view, { config }) => {
    const report = await statusReport(view);
    const keys = await keyUse(view.store, masterKeys(config, process.env));
    if (options.json) json({ ...report, keys });
    else {
      for (const alarm of report.alarms)
        say(
          `ALARM ${alarm.subject}: ${alarm.text} (${alarm.count} times, last ${new Date(alarm.last).toISOString()})`,
        );
      for (const lane of report.lanes)
        if (lane.state === 'late') say(`LATE ${lane.lane}: ${lateWords(lane)}`);
      for (const one of report.connections)
        if (one.paused !== null) say(`PAUSED ${one.name}: ${one.paused.why}`);
      say(
        table(
          ['sync', 'kind', 'direction', 'state', 'waiting in', 'oldest', 'to write', 'unsettled', 'parked'],
          report.syncs.map((sync) => [
            sync.name,
            `${sync.connection}/${sync.kind}`,
            sync.direction,
            sync.paused !== null
              ? `paused: ${sync.paused.why}`
              : sync.planning
                ? 'ONLY PLANNING: writes nothing'
                : 'live',
            String(sync.touches),
            age(sync.oldest),
            String(sync.effects.open),
            String(sync.effects.unsettled),
            String(sync.effects.parked),
          ]),
        ),
      );
      for (const one of report.readings) {
        const quiet = one.quiet ?? 0;
        const still = quiet > 60 && one.waits === null ? ` (no page for ${age(quiet * 1000)})` : '';
        say(`READING ${readingWords(one, view.now())}${still}`);
      }
      for (const one of report.quotas) say(`QUOTA ${quotaWords(one)}`);
      say(
        table(
          ['kind', 'schema', 'as of', 'drift'],
          report.schemas.map((one) => [
            `${one.connection}/${one.kind}`,
            one.serves,
            one.since ?? '-',
            [driftCounts(one.drift), one.trouble ?? ''].filter((part) => part !== '').join('; ') || 'none',
          ]),
        ),
      );
      for (const { drift } of report.schemas)
        for (const one of drift.filter(({ severity }) => severity !== 'information'))
          say(`DRIFT ${one.severity}: ${one.message} It touches ${touchWords(one)}.`);
      for (const { connection, what, ends, days } of report.expiries)
        say(`ENDS ${what} of connection ${connection}: ${ends.slice(0, 10)}, ${dayWords(days)}`);
      for (const one of keys)
        if (one.rows > 0 || one.seals) say(`${one.known ? 'KEY' : 'KEY MISSING'} ${useWords(one)}`);
      say(
        `parked ${report.parked}, conflicts ${report.conflicts}, references that wait ${report.awaited}, messages waiting ${report.notices.open}, failed runs ${report.runs.failed}`,
      );
    }
    return exits.ok;
  });

export const runs = (options: Common & { limit?: string }): Promise<number> =>
  withView(options, async (view) => {
    const list = await runsReport(view, Math.max(1, Math.min(1000, Number(options.limit) || 20)));
    if (options.json) json({ runs: list });
    else {
      const rows = list.map((run) => [
        run.id,
        run.state,
        ...[
          run.read,
          run.items.applied,
          run.items.echo,
          run.items.unchanged,
          run.items.parked,
          run.items.failed,
          run.open,
          run.effects.opened,
          run.effects.delivered,
          run.effects.open,
        ].map(String),
        run.wrong.length === 0 ? 'balance' : run.wrong.join('; '),
      ]);
      say(
        table(
          [
            'run',
            'state',
            'read',
            'applied',
            'echo',
            'unchanged',
            'parked',
            'failed',
            'open',
            'effects',
            'delivered',
            'to write',
            'books',
          ],
          rows,
        ),
      );
    }
    return list.some((run) => run.wrong.length > 0) ? exits.wrong : exits.ok;
  });

export const trace = (options: Common & { field?: string }, object: string): Promise<number> => {
  const [connection = '', kind = '', ...rest] = object.split('/');
  const id = rest.join('/');
  if (connection === '' || kind === '' || id === '')
    throw new CrosswalkError('usage', { detail: 'trace takes connection/kind/id' });
  return withView(options, async (view) => {
    const query = { connection, kind, id, ...(options.field === undefined ? {} : { field: options.field }) };
    const report = await traceReport(view, query);
    if (options.json) json(report);
    else {
      say(
        report.record === null
          ? 'no record yet'
          : `record ${report.record.id} (${report.record.entity}, version ${report.record.version})`,
      );
      for (const link of report.links)
        say(`  linked: ${link.connection}/${link.kind}/${link.object} (${link.state})`);
      for (const { text } of report.planning) say(text);
      say(
        table(
          ['when', 'what'],
          report.lines.map((line) => [line.at, line.text]),
        ),
      );
    }
    return exits.ok;
  });
};

/** UTC ms of a time as it was typed. */
export const timeOption = (text: string, option: string): number => {
  const moment = typedMoment(text);
  if (moment === undefined)
    throw new CrosswalkError('usage', {
      detail: `${option} takes a time such as 2026-01-05T14:30:00+08:00, "2026-01-05 14:30" or 2026-01-05`,
    });
  return moment;
};

export const record = (options: Common & { at?: string }, id: string): Promise<number> => {
  const at = options.at === undefined ? undefined : timeOption(options.at, '--at');
  return withView(options, async (view) => {
    const report = await recordReport(view, id, at);
    if (options.json) json(report);
    else tellRecord(report);
    return exits.ok;
  });
};

const tellRecord = ({ record: one, fields, links, holds, planning }: RecordReport): void => {
  const when = one.at === null ? 'now' : `as it was at ${one.at}`;
  say(`${one.label}: record ${one.id} (${one.entity}, version ${one.version}, made ${one.made}), ${when}`);
  if (one.asked !== null) say(`  record ${one.asked} was merged into it: whatever names that one leads here`);
  for (const id of one.merged) say(`  merged with it: record ${id} (crosswalk unmerge ${id})`);
  for (const { connection, kind, object, state, since } of links)
    say(`  linked: ${connection}/${kind}/${object} (${state}${since === null ? '' : `, since ${since}`})`);
  for (const { text } of planning) say(text);
  const rows = fields.map(({ field, value, leadsTo, since, from, because, rule }) => [
    field,
    leadsTo === undefined ? JSON.stringify(value) : `${JSON.stringify(value)} (now ${leadsTo})`,
    since ?? '?',
    from,
    [rule, because].filter((text) => text !== null).join('; '),
  ]);
  say(table(['field', 'value', 'since', 'from', 'why'], rows));
  for (const { field, sync, object, why, theirs, since } of holds)
    say(`held: ${field} in ${sync}/${object} is ${JSON.stringify(theirs)} there (${why}, since ${since})`);
};
