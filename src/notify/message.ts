import type { Json } from '../connector.ts';
import type { NoticeConfig } from '../config.ts';
import type { RecordState } from '../merge/record.ts';
import type { Row } from '../store/schema.ts';

/** One line of plain text: no control characters, nothing that a group would take for markup. */
const plain = (value: Json): string => {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text
    .replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
    .replace(/[<>`*_[\]#]/gu, (mark) => `\\${mark}`)
    .trim();
};

/** At most so many UTF-8 bytes, cut between characters and marked. */
export const clipped = (text: string, bytes: number): string => {
  if (Buffer.byteLength(text) <= bytes) return text;
  const mark = '…';
  let room = bytes - Buffer.byteLength(mark);
  let kept = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    room -= Buffer.byteLength(segment);
    if (room < 0) break;
    kept += segment;
  }
  return kept + mark;
};

/** ISO 8601 in China's time, where the groups are: the offset is always written. */
const timeText = (at: number): string => `${new Date(at + 8 * 3_600_000).toISOString().slice(0, 19)}+08:00`;

const isEmpty = (value: Json | undefined): boolean => value === undefined || value === null || value === '';

/** A template filled from a transition and its record. A place that is empty takes its fallback, and says so without one. */
export const fill = ({ text, fallback, when }: NoticeConfig, transition: Row, record: RecordState | undefined): string =>
  text.replace(/\{\{\s*([\w.]+)\s*\}\}/gu, (_, place: string) => {
    const value = placeOf(place, when.changed, transition, record);
    return isEmpty(value) ? (fallback[place] ?? '(empty)') : clipped(plain(value ?? null), 300);
  });

const placeOf = (place: string, changed: string, transition: Row, record: RecordState | undefined): Json | undefined => {
  const [head = '', field = ''] = place.split('.');
  if (place === 'by') return transition['by'] as Json;
  if (place === 'at') return timeText(Number(transition['at']));
  if (head === 'before' || head === 'after') {
    if (field === changed || field === '') return transition[head] as Json;
    return record?.fields[field]?.value;
  }
  return record?.fields[place]?.value;
};
