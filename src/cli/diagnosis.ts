/** What the store tells of the gateway that works it: what is late, open, spent, paused or waits for a person. */
import { laneAges, lateRemedy, lateWords, type AgesView, type LaneAge } from '../health/ages.ts';
import { alarmsOf } from '../health/reports.ts';
import { isWatched, lateSubject, pulseName, type Pulse } from '../health/watch.ts';
import { allWrites, type Pause } from '../sync/switches.ts';
import type { Holder } from './holder.ts';

export type Note = (what: string, state: 'ok' | 'warn' | 'fail', text: string, remedy?: string) => void;

/** ms after which a gateway that has told nothing of itself is not well: it tells four times a minute. */
const quiet = 60_000;

const resumes = ({ name, by, why }: Pause): string => {
  const one = name === allWrites ? 'all' : name;
  if (by === 'budget')
    return `Allow what waits now: crosswalk resume ${one} --over-budget; or undo what brought it.`;
  if (by === 'crosswalk' && /credential|token|forbidden|401|403/iu.test(why))
    return `Renew the credentials, then: crosswalk resume ${one}`;
  return `Once the reason is gone: crosswalk resume ${one}`;
};

const notePauses = ({ switches }: AgesView, note: Note): void => {
  for (const pause of switches.pauses()) {
    const what = pause.name === allWrites ? 'all writing' : pause.name;
    note(`pause of ${what}`, 'warn', `paused by ${pause.by}: ${pause.why}`, resumes(pause));
  }
};

const noteLanes = (ages: readonly LaneAge[], holder: Holder | undefined, note: Note): void => {
  const late = ages.filter(({ state }) => state === 'late');
  for (const age of late)
    note(
      `lane ${age.lane}`,
      'fail',
      `late: ${lateWords(age)}`,
      holder === undefined ? 'No gateway runs: start it (crosswalk serve).' : `${lateRemedy(age.lane)}.`,
    );
  if (late.length === 0) note('lanes', 'ok', 'nothing waits longer than is promised');
};

const span = (ms: number): string => `${Math.max(1, Math.round(ms / 1000))} s`;

const noteRemotes = ({ remotes }: Pulse, now: number, note: Note): void => {
  for (const [name, { breaker, retryAt = 0, quietUntil = 0, waiting }] of Object.entries(remotes)) {
    if (breaker !== 'closed')
      note(
        `breaker of ${name}`,
        'fail',
        `${breaker}: it failed too often${retryAt > now ? `; the next try is in ${span(retryAt - now)}` : ''}`,
        `Look at the remote and the network to it; it is tried again by itself, or at once after: crosswalk resume ${name}`,
      );
    if (quietUntil > now)
      note(
        `quota of ${name}`,
        'warn',
        `spent: it asked to be left alone for another ${span(quietUntil - now)}; ${waiting} calls wait`,
        'Nothing is lost, and it goes on by itself. If it happens daily: poll less often, or ask the vendor for more.',
      );
  }
};

/** What the running gateway last told of itself. */
const notePulse = async (view: AgesView, holder: Holder | undefined, note: Note): Promise<void> => {
  if (holder?.what !== 'serve') return;
  const row = await view.store.get('setting', { name: pulseName });
  const pulse = row?.['value'] as Pulse | undefined;
  // One that has only just begun has told nothing yet.
  if (pulse === undefined) return;
  const age = Math.max(0, view.now() - pulse.at);
  if (age > quiet)
    note(
      'gateway',
      'fail',
      `process ${holder.pid} has told nothing of itself for ${span(age)}`,
      'It hangs, or its store does not answer. Restart it: nothing that was acknowledged is lost.',
    );
  else noteRemotes(pulse, view.now(), note);
};

const noteWaiting = async ({ store }: AgesView, note: Note): Promise<void> => {
  const parked =
    (await store.count('parked', 'at', {})) + (await store.count('effect', 'state', { state: 'parked' }));
  const conflicts = await store.count('conflict', 'open', { open: 1 });
  const failed = await store.count('run', 'state', { state: 'failed' });
  if (parked > 0) note('parked', 'warn', `${parked} wait for a person`, 'crosswalk parked list');
  if (conflicts > 0)
    note('conflicts', 'warn', `${conflicts} fields wait for a decision`, 'crosswalk conflicts list');
  if (failed > 0)
    note(
      'books',
      'fail',
      `${failed} runs whose books do not balance`,
      'crosswalk runs tells where; report it.',
    );
};

/** Alarms that no other finding tells: what ends soon is told where keys and connections are tried. */
const noteAlarms = async (
  { store }: AgesView,
  ages: readonly LaneAge[],
  holder: Holder | undefined,
  note: Note,
): Promise<void> => {
  const told = new Set(ages.map(({ lane }) => lateSubject(lane)));
  for (const { subject, text, last } of await alarmsOf(store)) {
    const isOfWatch = isWatched(subject);
    // What a watch raised is old news once its gateway has ended.
    const isOld = isOfWatch && holder?.what !== 'serve';
    if (isOld || told.has(subject) || subject.startsWith('expiry ')) continue;
    const state = isOfWatch ? 'fail' : 'warn';
    note(`alarm ${subject}`, state, `${text} (last ${new Date(last).toISOString()})`);
  }
};

export const diagnose = async (view: AgesView, holder: Holder | undefined, note: Note): Promise<void> => {
  const ages = await laneAges(view);
  notePauses(view, note);
  noteLanes(ages, holder, note);
  await notePulse(view, holder, note);
  await noteWaiting(view, note);
  await noteAlarms(view, ages, holder, note);
};
