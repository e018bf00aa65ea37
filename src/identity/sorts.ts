/** The one table of the sorts of fields. */
import { company } from './companies.ts';
import { code, creditCode, date, id, phone, postcode } from './numbers.ts';
import { family, given, person } from './people.ts';
import type { Sort } from './sort.ts';
import { address, category, email, freeText, place, website } from './texts.ts';

export const sorts = {
  person,
  given,
  family,
  company,
  phone,
  email,
  website,
  address,
  place,
  postcode,
  date,
  code,
  'credit-code': creditCode,
  id,
  category,
  text: freeText,
} as const satisfies Record<string, Sort>;

export type SortName = keyof typeof sorts;
export const sortNames = Object.keys(sorts) as readonly SortName[];
export const isSort = (name: string): name is SortName => Object.hasOwn(sorts, name);
export const sortOf = (name: SortName): Sort => sorts[name];

/** A field that is compared. */
export interface Field {
  readonly name: string;
  readonly sort: SortName;
}
