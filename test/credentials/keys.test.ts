import { assert, pre, property, record, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newKey, readKeys, seal, sealedWith, unseal } from '../../src/credentials/keys.ts';
import { CrosswalkError } from '../../src/errors.ts';

const keyFrom = (text = newKey()) => {
  const [key] = readKeys(text, 'test');
  if (key === undefined) throw new Error('no key');
  return key;
};
const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return error instanceof CrosswalkError ? error.code : 'no error of ours';
  }
  return 'opened';
};

const name = string({ minLength: 1, maxLength: 20 });
const belonging = record({ connection: name, name });

describe('sealing', () => {
  it('opens to what was sealed, among other keys, and shows nothing of it', () => {
    assert(
      property(belonging, string({ minLength: 6, maxLength: 4000 }), (at, plain) => {
        const key = keyFrom();
        const sealed = seal(key, at, plain);
        expect(unseal([keyFrom(), key, keyFrom()], at, sealed)).toBe(plain);
        expect(sealed).not.toContain(plain);
        expect(sealedWith(sealed)).toBe(key.id);
      }),
    );
  });

  it('never gives the same text twice', () => {
    const key = keyFrom();
    const at = { connection: 'crm', name: 'login' };
    expect(new Set(Array.from({ length: 2000 }, () => seal(key, at, 'same'))).size).toBe(2000);
  });

  it('refuses a text of which any one character is another, any is missing or one too many', () => {
    const key = keyFrom();
    const at = { connection: 'crm', name: 'login' };
    const sealed = seal(key, at, 'a refresh token');
    // Bits that Base64 leaves unused count too: only one text stands for a value.
    for (let i = 0; i < sealed.length; i += 1) {
      for (const other of ['A', 'B', 'b', '-', '_', '9', '.', '=', ' ', 'é', ''])
        if (other !== sealed[i])
          expect(
            codeOf(() => unseal([key], at, sealed.slice(0, i) + other + sealed.slice(i + 1))),
            `${i} ${other}`,
          ).not.toBe('opened');
    }
    for (const more of ['A', '=', '.', '\n', '\0'])
      expect(codeOf(() => unseal([key], at, sealed + more))).toBe('seal-broken');
  });

  it('opens in no other row, by no other key, under no other key’s name', () => {
    assert(
      property(belonging, belonging, (at, elsewhere) => {
        pre(at.connection !== elsewhere.connection || at.name !== elsewhere.name);
        const key = keyFrom();
        const other = keyFrom();
        const sealed = seal(key, at, 'secret');
        expect(codeOf(() => unseal([key], elsewhere, sealed))).toBe('seal-broken');
        expect(codeOf(() => unseal([other], at, sealed))).toBe('key-unknown');
        expect(codeOf(() => unseal([other, key], at, sealed.replace(key.id, other.id)))).toBe('seal-broken');
      }),
    );
  });

  it('parts of two sealed texts make no third', () => {
    const key = keyFrom();
    const at = { connection: 'crm', name: 'login' };
    const [one, two] = [seal(key, at, 'first').split('.'), seal(key, at, 'other').split('.')];
    expect(codeOf(() => unseal([key], at, [one[0], one[1], two[2], one[3]].join('.')))).toBe('seal-broken');
  });
});

describe('reading keys', () => {
  it('takes several, by commas, spaces and lines, each once, the first first', () => {
    const [a, b] = [newKey(), newKey()];
    const ids = readKeys(`${a},${b}`, 'x').map(({ id }) => id);
    expect(ids).toHaveLength(2);
    expect(readKeys(`\n${a}\n${b} ${a},\n`, 'x').map(({ id }) => id)).toEqual(ids);
    expect(readKeys(Buffer.from(a, 'base64').toString('base64url'), 'x')[0]?.id).toBe(ids[0]);
    expect(readKeys('', 'x')).toEqual([]);
  });

  it.each(['short', 'x'.repeat(44), `${newKey()}A`, newKey().slice(1), 'ä'.repeat(43)])(
    'refuses what is no key, and does not repeat it: %s',
    (text) => {
      expect(() => readKeys(`${newKey()} ${text}`, 'CROSSWALK_KEY')).toThrow(
        'CROSSWALK_KEY: key 2 is not 32 bytes in Base64.',
      );
    },
  );
});
