import type { Json } from '../connector.ts';

/**
 * Values that people and programs type where they have none. As a key they would join strangers: one
 * placeholder id overwrote 12,843 ids in the case that this product grew from.
 */
const placeholders = new Set([
  '',
  '0',
  '00',
  '000',
  '0000',
  '-',
  '--',
  '.',
  '/',
  '?',
  'n/a',
  'na',
  'nil',
  'none',
  'null',
  'undefined',
  'unknown',
  'tbd',
  'todo',
  'test',
  'xxx',
  'nan',
  '无',
  '暂无',
  '没有',
  '未知',
  '不详',
  '空',
  '测试',
]);

const sharedValues = [
  /^(?:\+?86)?13800138000$/,
  /^(?:\+?86)?1(\d)\1{9}$/,
  /^\+?0*1?234567890?$/,
  /^\+?(\d)\1{6,}$/,
  /^(?:test|info|sales|admin|contact|office|noreply|no-reply|example|user)@/i,
  /@(?:example\.(?:com|org|net)|test\.com)$/i,
];

/** True for values that stand for "none": never an id, never a key. Empty (null) counts too. */
export const isPlaceholder = (value: Json): boolean => {
  if (value === null) return true;
  if (typeof value === 'number') return value === 0 || value === -1;
  return typeof value === 'string' && placeholders.has(value.trim().toLowerCase());
};

/** True for values that many people share (a demo number, info@): a field may hold them, but they are no keys. */
export const isShared = (value: Json): boolean =>
  isPlaceholder(value) ||
  (typeof value === 'string' &&
    sharedValues.some((pattern) => pattern.test(value.trim().replace(/[\s-]/g, ''))));
