/**
 * HubSpot's request signatures (developers.hubspot.com, "Validating requests"). v3 is the one to trust: it
 * covers a time. v1 and v2 cover none, so that whoever once saw such a request can send it again forever.
 */
import { createHash, createHmac } from 'node:crypto';

/** What HubSpot decodes in the URI before it signs; every other escape stays as it was sent. */
const decoded: Readonly<Record<string, string>> = {
  '3A': ':',
  '2F': '/',
  '3F': '?',
  '40': '@',
  '21': '!',
  '24': '$',
  '27': "'",
  '28': '(',
  '29': ')',
  '2A': '*',
  '2C': ',',
  '3B': ';',
};

/** The URI as it is signed: the whole public URL with its query, twelve escapes decoded. */
export const signedUri = (uri: string): string =>
  uri.replace(/%([0-9a-f]{2})/giu, (whole, hex: string) => decoded[hex.toUpperCase()] ?? whole);

export interface SignedRequest {
  readonly method: string;
  readonly url: string;
  /** Raw bytes as they came. */
  readonly body: Uint8Array;
}

/** base64(HMAC-SHA256(secret, METHOD + URI + body + timestamp)); `timestamp` is the header's own text (ms). */
export const signatureV3 = (secret: string, request: SignedRequest, timestamp: string): string =>
  createHmac('sha256', secret)
    .update(request.method.toUpperCase() + signedUri(request.url), 'utf8')
    .update(request.body)
    .update(timestamp, 'utf8')
    .digest('base64');

/** hex(SHA-256(secret + METHOD + URI + body)). */
export const signatureV2 = (secret: string, request: SignedRequest): string =>
  createHash('sha256')
    .update(secret + request.method.toUpperCase() + request.url, 'utf8')
    .update(request.body)
    .digest('hex');

/** hex(SHA-256(secret + body)). */
export const signatureV1 = (secret: string, body: Uint8Array): string =>
  createHash('sha256').update(secret, 'utf8').update(body).digest('hex');
