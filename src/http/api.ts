/** The JSON API under /api/v1, behind a token; errors are application/problem+json from the catalogue. */
import { timingSafeEqual, createHash } from 'node:crypto';
import express, { type NextFunction, type Request, type Response, type Router } from 'express';
import type { Environment } from '../config.ts';
import { resolveText } from '../settings.ts';
import { CrosswalkError } from '../errors.ts';
import type { Gateway } from '../gateway.ts';
import {
  conflictsReport,
  parkedOne,
  parkedReport,
  runReport,
  runsReport,
  statusReport,
  type View,
} from '../health/reports.ts';
import { momentOf } from '../health/moment.ts';
import { recordReport } from '../health/record.ts';
import { traceReport } from '../health/trace.ts';
import { undoPlan, undoStatus } from '../health/undo.ts';
import { drop, replay, resolve } from '../sync/decide.ts';
import type { UndoScope } from '../sync/scope.ts';
import { allWrites } from '../sync/switches.ts';
import { openUndo } from '../sync/undo.ts';
import { deciding, optional, textOf, type On } from './candidates.ts';

export const viewOf = ({ store, switches, hub, installation }: Gateway): View => ({
  store,
  switches,
  config: installation.config,
  now: () => hub.now(),
});

/** The token that the API asks for; undefined if none is configured (then only this machine is served). */
export const tokenOf = (gateway: Gateway, environment: Environment): string | undefined => {
  const { config } = gateway.installation;
  const { tokenRef } = config.server;
  return tokenRef === undefined
    ? undefined
    : resolveText(
        tokenRef,
        'server.tokenRef',
        { environment, folder: config.folder },
        config.place('/server/tokenRef'),
      );
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

const local = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/u;

/**
 * With a token: the bearer must have it. Without: only requests that name this machine are served, so that a
 * page from elsewhere cannot reach in through a name that it points here.
 */
const guard =
  (token: string | undefined) =>
  (request: Request, _response: Response, next: NextFunction): void => {
    const given = /^Bearer (.+)$/u.exec(request.get('authorization') ?? '')?.[1] ?? '';
    const allowed =
      token === undefined
        ? local.test(request.get('host') ?? '')
        : timingSafeEqual(digest(given), digest(token));
    if (!allowed) throw new CrosswalkError('unauthorised');
    if (request.method !== 'GET' && !request.is('application/json'))
      throw new CrosswalkError('request-shape', { detail: 'content-type must be application/json' });
    next();
  };

const timeOf = (value: unknown, name: string): number | undefined => {
  const text = optional(value, name);
  const moment = text === undefined ? undefined : momentOf(text);
  if (text !== undefined && moment === undefined)
    throw new CrosswalkError('request-shape', {
      detail: `${name} must be a time with its offset, such as 2026-01-05T14:30:00+08:00`,
    });
  return moment;
};

const scopeOf = (body: Record<string, unknown> | undefined): UndoScope => {
  const run = optional(body?.['run'], 'run');
  const connection = optional(body?.['connection'], 'connection');
  const from = timeOf(body?.['from'], 'from');
  const to = timeOf(body?.['to'], 'to');
  return {
    ...(run === undefined ? {} : { run }),
    ...(connection === undefined ? {} : { connection }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
};

/** Most items of an undo that are told in one answer. */
const mostItems = 10_000;
const limitOf = (value: unknown): number => Math.max(0, Math.min(mostItems, Number(value ?? 1000) || 0));

export const api = (gateway: Gateway, token: string | undefined): Router => {
  const router = express.Router();
  const view = viewOf(gateway);
  router.use(guard(token));
  router.use(express.json({ limit: '64kb' }));
  const on: On = (method, path, handler) => {
    router[method](path, (request: Request, response: Response, next: NextFunction) => {
      handler(request).then((value) => response.json(value ?? { ok: true }), next);
    });
  };
  on('get', '/status', () => statusReport(view));
  on('get', '/runs', async ({ query }) => ({
    runs: await runsReport(view, Math.min(500, Number(query['limit'] ?? 50) || 50)),
  }));
  on('get', '/runs/:id', ({ params }) => runReport(view, String(params['id'])));
  on('get', '/trace', ({ query }) => {
    const field = optional(query['field'], 'field');
    const object = {
      connection: textOf(query['connection'], 'connection'),
      kind: textOf(query['kind'], 'kind'),
      id: textOf(query['id'], 'id'),
    };
    return traceReport(view, field === undefined ? object : { ...object, field });
  });
  on('get', '/parked', async () => ({ parked: await parkedReport(view) }));
  on('get', '/parked/:id', ({ params }) => parkedOne(view, String(params['id'])));
  on('post', '/parked/:id/replay', async ({ params }) => replay(gateway.hub, String(params['id'])));
  on('post', '/parked/:id/drop', async ({ params, body }) =>
    drop(gateway.hub, String(params['id']), optional(body?.by, 'by') ?? 'api'),
  );
  on('get', '/conflicts', async ({ query }) => ({
    conflicts: await conflictsReport(view, query['all'] === 'true'),
  }));
  on('post', '/conflicts/:id/resolve', async ({ params, body }) => {
    const choice = body?.choice;
    if (choice !== 'ours' && choice !== 'theirs')
      throw new CrosswalkError('request-shape', { detail: 'choice must be "ours" or "theirs"' });
    return resolve(gateway.hub, String(params['id']), choice, optional(body?.by, 'by') ?? 'api');
  });
  on('get', '/records/:id', ({ params, query }) =>
    recordReport(view, String(params['id']), timeOf(query['at'], 'at')),
  );
  on('post', '/undo', ({ body }) =>
    undoPlan(gateway.hub, scopeOf(body), optional(body?.by, 'by') ?? '', limitOf(body?.limit)),
  );
  on('post', '/undo/apply', async ({ body }) => ({
    run: await openUndo(gateway.hub, scopeOf(body), textOf(body?.by, 'by')),
  }));
  on('get', '/undo/:run', ({ params, query }) =>
    undoStatus(gateway.store, String(params['run']), limitOf(query['limit'])),
  );
  deciding(gateway, view, on);
  for (const what of ['connections', 'syncs'] as const) {
    on('post', `/${what}/:name/pause`, async ({ params, body }) =>
      gateway.switches.pause(
        named(gateway, what, params['name']),
        optional(body?.why, 'why') ?? 'paused over the API',
        optional(body?.by, 'by') ?? 'api',
        view.now(),
      ),
    );
    on('post', `/${what}/:name/resume`, async ({ params }) =>
      gateway.resume(named(gateway, what, params['name'])),
    );
  }
  on('post', '/syncs/:name/sync', async ({ params, body }) =>
    gateway.syncNow(named(gateway, 'syncs', params['name']), body?.full === true),
  );
  router.use(() => {
    throw new CrosswalkError('not-there', { what: 'path', id: 'under /api/v1' });
  });
  return router;
};

const named = (gateway: Gateway, what: 'connections' | 'syncs', name: unknown): string => {
  const text = String(name);
  // All writing, as in `crosswalk pause all`.
  if (what === 'syncs' && text === 'all' && !Object.hasOwn(gateway.installation.config.syncs, text))
    return allWrites;
  if (!Object.hasOwn(gateway.installation.config[what], text))
    throw new CrosswalkError('not-there', { what: what.slice(0, -1), id: text });
  return text;
};

/** Whatever went wrong, in the catalogue's words; nothing of the inside is shown. */
export const problem = (error: unknown, _request: Request, response: Response, _next: NextFunction): void => {
  const status = (error as { status?: number }).status;
  const bad = status !== undefined && status >= 400 && status < 500 && !(error instanceof CrosswalkError);
  const known =
    error instanceof CrosswalkError
      ? error
      : bad
        ? new CrosswalkError('request-shape', { detail: 'the body is not JSON, or too large' })
        : new CrosswalkError('internal', { detail: 'see the log' });
  if (known.status === 503) response.set('retry-after', '5');
  response
    .status(known.status)
    .type('application/problem+json')
    .send(
      JSON.stringify({
        type: `urn:crosswalk:${known.code}`,
        title: known.code,
        status: known.status,
        detail: known.message,
        code: known.code,
        remedy: known.remedy,
      }),
    );
};
