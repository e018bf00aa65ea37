import { Trouble, type HttpRequest, type HttpResponse, type Json } from '../../src/connector.ts';

const detailOf = (response: HttpResponse): { code?: string; message: string } => {
  try {
    const body: Json = response.json();
    if (body !== null && typeof body === 'object' && !Array.isArray(body)) {
      const { code, msg } = body;
      return {
        message: typeof msg === 'string' && msg !== '' ? msg : `HTTP ${response.status}`,
        ...(typeof code === 'number' || typeof code === 'string' ? { code: String(code) } : {}),
      };
    }
  } catch {
    // Not JSON: a gateway's own page.
  }
  return { message: `HTTP ${response.status}` };
};

/**
 * 400 carries everything: `code` tells. 8303 is the frequency limit; 8301 and 8302 are taken for authorisation
 * (UNVERIFIED, the table could not be read); every other code is the remote's refusal of this input.
 */
export const troubleOf = (response: HttpResponse, _request: HttpRequest): Trouble | undefined => {
  const { status } = response;
  if (status < 400) return undefined;
  const detail = { ...detailOf(response), status };
  if (status === 400 && detail.code === '8303') return new Trouble('busy', { ...detail, retryAfter: 5000 });
  if (status === 429) return new Trouble('busy', { ...detail, retryAfter: 2000 });
  if (status === 400 && (detail.code === '8301' || detail.code === '8302'))
    return new Trouble('forbidden', detail);
  if (status === 400) return new Trouble('refused', detail);
  return undefined;
};
