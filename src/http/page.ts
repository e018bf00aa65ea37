/** The status page: plain, self-contained, readable on a phone, made anew for each visit. */
import { lateWords } from '../health/ages.ts';
import { quotaWords } from '../health/quotas.ts';
import { readingWords } from '../health/reading.ts';
import type { RunReport, Status } from '../health/reports.ts';
import type { DriftFinding } from '../mapping/drift.ts';

const escaped = (value: unknown): string =>
  String(value).replace(/[&<>"']/gu, (mark) => `&#${mark.codePointAt(0)};`);

const ago = (ms: number | null): string => {
  if (ms === null) return '–';
  const s = Math.max(0, Math.round(ms / 1000));
  return s < 120 ? `${s} s` : s < 7200 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3600)} h`;
};

const table = (head: readonly string[], rows: readonly (readonly string[])[], empty: string): string =>
  rows.length === 0
    ? `<p class="none">${empty}</p>`
    : `<table><tr>${head.map((cell) => `<th>${cell}</th>`).join('')}</tr>${rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('')}</table>`;

const style = `body{font:15px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:60rem;padding:0 1rem;color:#1b2430}
h1{font-size:1.3rem}h2{font-size:1rem;margin:1.6rem 0 .4rem}table{border-collapse:collapse;width:100%;display:block;overflow-x:auto}
th,td{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #dde3ea;vertical-align:top}th{font-weight:600;color:#5b6b7f}
.bad{color:#b3261e;font-weight:600}.warn{color:#8a5a00;font-weight:600}.ok{color:#1a7f4b}.none{color:#5b6b7f;margin:.2rem 0}
.big{display:flex;gap:2rem;flex-wrap:wrap}.big b{display:block;font-size:1.6rem}`;

const count = (n: number, label: string): string =>
  `<div><b class="${n > 0 ? 'warn' : 'ok'}">${n}</b>${label}</div>`;

const stateOf = (sync: Status['syncs'][number]): string => {
  if (sync.paused !== null) return `<span class="bad">paused: ${escaped(sync.paused.why)}</span>`;
  return sync.planning
    ? '<span class="warn">only planning: writes nothing</span>'
    : '<span class="ok">live</span>';
};

const laneState = (one: Status['lanes'][number]): string => {
  if (one.state === 'late') return `<span class="bad">late: ${escaped(lateWords(one))}</span>`;
  const why = one.why === null || one.state === 'well' ? '' : `: ${escaped(one.why)}`;
  return `<span class="${one.state === 'well' ? 'ok' : 'warn'}">${one.state}${why}</span>`;
};

const driftLine = (one: DriftFinding): string => {
  const mark = one.severity === 'error' ? 'bad' : one.severity === 'warning' ? 'warn' : 'none';
  return `<span class="${mark}">${escaped(one.message)}</span>`;
};

export const statusPage = (status: Status, runs: readonly RunReport[]): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="refresh" content="5"><title>Crosswalk</title><style>${style}</style></head><body>
<h1>Crosswalk</h1><p class="none">${escaped(status.at)}</p>
<div class="big">${count(status.parked, 'parked 待处理')}${count(status.conflicts, 'conflicts 冲突')}${count(status.alarms.length, 'alarms 告警')}${count(status.notices.open, 'messages waiting 待发')}${count(status.runs.failed, 'failed runs 失败')}</div>
<h2>Alarms 告警</h2>${table(
  ['when', 'about', 'what', 'times'],
  status.alarms.map((alarm) => [
    escaped(new Date(alarm.last).toISOString()),
    escaped(alarm.subject),
    `<span class="bad">${escaped(alarm.text)}</span>`,
    String(alarm.count),
  ]),
  'None.',
)}
${status.readings.length === 0 ? '' : `<h2>Reading 读取中</h2>${status.readings.map((one) => `<p>${escaped(readingWords(one, Date.parse(status.at)))}</p>`).join('')}`}
${status.quotas.length === 0 ? '' : `<h2>Quotas 配额</h2>${status.quotas.map((one) => `<p>${escaped(quotaWords(one))}</p>`).join('')}`}
<h2>Lanes 队列</h2>${table(
  ['lane', 'oldest', 'promised', 'state'],
  status.lanes.map((one) => [escaped(one.lane), ago(one.oldest), ago(one.promised), laneState(one)]),
  'None.',
)}
<h2>Connections 连接</h2>${table(
  ['name', 'connector', 'state'],
  status.connections.map((one) => [
    escaped(one.name),
    escaped(one.connector),
    one.paused === null
      ? '<span class="ok">open</span>'
      : `<span class="bad">paused: ${escaped(one.paused.why)}</span>`,
  ]),
  'None.',
)}
<h2>Syncs 同步</h2>${table(
  ['name', 'kind', 'direction', 'state', 'waiting in', 'oldest', 'to write', 'unsettled', 'parked'],
  status.syncs.map((sync) => [
    escaped(sync.name),
    escaped(`${sync.connection}/${sync.kind}`),
    sync.direction,
    stateOf(sync),
    String(sync.touches),
    ago(sync.oldest),
    String(sync.effects.open),
    String(sync.effects.unsettled),
    String(sync.effects.parked),
  ]),
  'None.',
)}
<h2>Schemas 结构</h2>${table(
  ['kind', 'serves', 'as of', 'drift'],
  status.schemas.map((one) => [
    escaped(`${one.connection}/${one.kind}`),
    one.trouble === null ? one.serves : `<span class="warn">${one.serves}: ${escaped(one.trouble)}</span>`,
    escaped(one.since ?? '–'),
    one.drift.length === 0 ? '<span class="ok">none</span>' : one.drift.map(driftLine).join('<br>'),
  ]),
  'None.',
)}
<h2>Runs 运行</h2>${table(
  ['run', 'state', 'read', 'applied', 'echo', 'unchanged', 'parked', 'open', 'effects', 'delivered', 'books'],
  runs.map((run) => [
    escaped(run.id),
    escaped(run.state),
    String(run.read),
    String(run.items.applied),
    String(run.items.echo),
    String(run.items.unchanged),
    String(run.items.parked),
    String(run.open),
    String(run.effects.opened),
    String(run.effects.delivered),
    run.wrong.length === 0
      ? '<span class="ok">balance</span>'
      : `<span class="bad">${escaped(run.wrong.join('; '))}</span>`,
  ]),
  'None yet.',
)}
</body></html>
`;
