import { Trouble, type HttpRequest, type HttpResponse, type Json, type JsonObject } from './connector.ts';

/** Takes secrets out of texts before a person, a log or a metric sees them. */

export type Redact = (text: string) => string;

const MASK = '•••';
/** Shorter values are no secrets worth the name, and taking them out would make texts unreadable. */
const LEAST_SECRET = 4;

const QUERY = /\b(https?:\/\/[^\s?#"'<>]*)[?#][^\s"'<>]+/giu;
const USERINFO = /\b(https?:\/\/)[^\s/@"'<>]+@/giu;
const SCHEME = /\b(bearer|basic)\s+[\w.~+/=-]{6,}/giu;
const NAMED =
  /\b(access_?token|refresh_?token|id_?token|client_?secret|app_?secret|corp_?secret|password|passwd|api_?key|authorization|signature|suite_ticket)(["']?\s*[:=]\s*["']?)[^\s"',;&}]+/giu;

/** The forms in which a secret shows up: as it is, in a URL, in JSON, in Base64. */
const formsOf = (secret: string): string[] => [
  secret,
  encodeURIComponent(secret),
  JSON.stringify(secret).slice(1, -1),
  Buffer.from(secret).toString('base64'),
];

/** Takes out these values in all their usual forms, query strings, and whatever is named like a secret. */
export const redactor = (secrets: readonly string[]): Redact => {
  const values = [...new Set(secrets.filter((secret) => secret.length >= LEAST_SECRET).flatMap(formsOf))];
  // Longest first: a secret may hold another.
  values.sort((a, b) => b.length - a.length);
  return (text) =>
    values
      .reduce((rest, value) => rest.replaceAll(value, MASK), text)
      .replace(USERINFO, `$1${MASK}@`)
      .replace(QUERY, `$1?${MASK}`)
      .replace(SCHEME, `$1 ${MASK}`)
      .replace(NAMED, `$1$2${MASK}`);
};

/** The same for every text in a JSON value, names included. */
export const redactJson = (value: Json, redact: Redact, depth = 0): Json => {
  if (typeof value === 'string') return redact(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > 16) return MASK;
  if (Array.isArray(value)) return value.map((item) => redactJson(item, redact, depth + 1));
  const clean: JsonObject = {};
  for (const [name, inner] of Object.entries(value)) {
    if (name !== '__proto__') clean[redact(name)] = redactJson(inner, redact, depth + 1);
  }
  return clean;
};

/** A trouble without secrets. */
export const cleanTrouble = (trouble: Trouble, redact: Redact): Trouble => {
  const message = redact(trouble.detail.message);
  const made = new Trouble(trouble.kind, { ...trouble.detail, message });
  if (trouble.stack !== undefined) made.stack = redact(trouble.stack);
  return made;
};

/** What a connector may throw while it reads the body leaves no secret in the text either. */
export const guarded = (response: HttpResponse, redact: Redact): HttpResponse => ({
  ...response,
  json: () => {
    try {
      return response.json();
    } catch (error) {
      throw error instanceof Trouble ? cleanTrouble(error, redact) : error;
    }
  },
});

const SENSITIVE = /auth|token|key|secret|cookie|sign|password|ticket/iu;

/** What a request carries that is as good as a secret: a remote may repeat it in its answer. */
export const carried = (request: HttpRequest): string[] => {
  const query = URL.canParse(request.url) ? [...new URL(request.url).searchParams] : [];
  return [...Object.entries(request.headers ?? {}), ...query]
    .filter(([name]) => SENSITIVE.test(name))
    .flatMap(([, value]) => [value, value.replace(/^\w+\s+/u, '')])
    .filter((value) => value.length >= 8);
};

/** The texts in a JSON value whose names say that they are secret. */
export const secretsIn = (value: Json | undefined, name = '', depth = 0): string[] => {
  if (typeof value === 'string') return value.length >= 8 && SENSITIVE.test(name) ? [value] : [];
  if (typeof value !== 'object' || value === null || depth > 16) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    secretsIn(inner, Array.isArray(value) ? name : key, depth + 1),
  );
};
