/**
 * Master keys, and sealing with them: AES-256-GCM with a random nonce of 96 bits. A sealed text is
 * `cw1.<key id>.<nonce>.<ciphertext and tag>`. It opens only for the connection and the name that it was sealed for,
 * so that a row that is moved or copied to another opens nowhere.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { CrosswalkError } from '../errors.ts';

export interface MasterKey {
  /** Told by the key itself, so that no two keys share one. Says nothing about it. */
  readonly id: string;
  readonly bytes: Buffer;
}

/** What a sealed text belongs to. */
export interface Belonging {
  readonly connection: string;
  readonly name: string;
}

const version = 'cw1';
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

const idOf = (bytes: Buffer): string =>
  createHash('sha256').update('crosswalk master key\0').update(bytes).digest('hex').slice(0, 12);

/** A new master key as text: 32 random bytes in Base64. */
export const newKey = (): string => randomBytes(keyBytes).toString('base64');

/** Keys as they are given: Base64 of 32 bytes each, separated by commas, spaces or lines. Throws CrosswalkError `key-shape`. */
export const readKeys = (text: string, where: string): MasterKey[] => {
  const keys = new Map<string, MasterKey>();
  const parts = text.split(/[\s,]+/u).filter((part) => part !== '');
  parts.forEach((part, i) => {
    const bytes = /^[A-Za-z0-9+/_-]{43}=?$/u.test(part) ? Buffer.from(part, 'base64') : Buffer.alloc(0);
    if (bytes.length !== keyBytes) throw new CrosswalkError('key-shape', { where, n: i + 1 });
    const id = idOf(bytes);
    if (!keys.has(id)) keys.set(id, { id, bytes });
  });
  return [...keys.values()];
};

const bound = (id: string, { connection, name }: Belonging): Buffer =>
  Buffer.from(JSON.stringify([version, id, connection, name]));

export const seal = (key: MasterKey, belonging: Belonging, plain: string): string => {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce, { authTagLength: tagBytes });
  cipher.setAAD(bound(key.id, belonging));
  const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return [version, key.id, nonce.toString('base64url'), sealed.toString('base64url')].join('.');
};

/** Only the one text that stands for these bytes: Base64 leaves bits at its end unused. */
const bytesOf = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
};

/** The id of the key that a text says it is sealed with; undefined if it is no sealed text. */
export const sealedWith = (sealed: string): string | undefined => {
  const [head, id, ...rest] = sealed.split('.');
  return head === version && id !== undefined && rest.length === 2 ? id : undefined;
};

/** Opens a sealed text. Throws CrosswalkError `key-unknown` or `seal-broken`, which tell nothing of what is in it. */
export const unseal = (keys: readonly MasterKey[], belonging: Belonging, sealed: string): string => {
  const { connection } = belonging;
  const [, , nonceText = '', text = ''] = sealed.split('.');
  const id = sealedWith(sealed);
  const nonce = bytesOf(nonceText);
  const body = bytesOf(text);
  if (id === undefined || nonce?.length !== nonceBytes || body === undefined || body.length < tagBytes)
    throw new CrosswalkError('seal-broken', { connection });
  const key = keys.find((one) => one.id === id);
  if (key === undefined)
    throw new CrosswalkError('key-unknown', {
      what: `The credential of connection ${connection} is sealed`,
      key: id,
      connection,
    });
  try {
    const cipher = createDecipheriv('aes-256-gcm', key.bytes, nonce, { authTagLength: tagBytes });
    cipher.setAAD(bound(id, belonging));
    cipher.setAuthTag(body.subarray(-tagBytes));
    return Buffer.concat([cipher.update(body.subarray(0, -tagBytes)), cipher.final()]).toString('utf8');
  } catch {
    throw new CrosswalkError('seal-broken', { connection });
  }
};
