/**
 * The contract between Crosswalk and a connector: the only file that a connector imports.
 *
 * Read it as a protocol. A connector is opened once per connection and does no input or output while
 * it is opened. All reaching out goes through `host.request`; a connector has no HTTP client, timer,
 * clock or randomness of its own, so that the simulator can play all four. A missing member says what
 * a system cannot do: no `hooks` means that it is polled, no `create` that Crosswalk never creates there.
 */
import type { Grant, Login, Sunset } from './wire/login.ts';

export * from './wire/index.ts';

export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json };
/** A JSON Schema (draft 2020-12). In settings, `secret: true` marks what must never be shown. */
export type JsonSchema = JsonObject;

// ---------------------------------------------------------------- what a remote shows

/** One object of a remote, in the connector's own symmetric shape: what is read is what may be written. */
export interface RemoteObject {
  readonly id: string;
  /** A place that is `null` is known to be empty; a place that is missing was not seen in this look. */
  readonly value: JsonObject;
  /** Guard for conditional writes (an etag, a row version). Changes whenever the object changes. */
  readonly version?: string;
  /** The remote's own modification stamp, UTC ms. An upper bound of when any field changed. */
  readonly modifiedAt?: number;
}

/** What a direct read of one id found. */
export type Look =
  | { readonly is: 'object'; readonly object: RemoteObject }
  | { readonly is: 'gone' }
  | { readonly is: 'moved'; readonly to: string }
  | { readonly is: 'denied'; readonly why: string };

/** One page of a scan or of changes. `next` is null on the last page; `total` is the remote's own count. */
export interface Page {
  readonly objects: readonly RemoteObject[];
  readonly next: string | null;
  readonly total?: number;
}

/** How far the remote's modification stamps may be trusted. All in ms. */
export interface Stamps {
  /** Stamps are rounded down to a multiple of this. */
  readonly resolution: number;
  /** A change may become visible this much later than its stamp says. */
  readonly lateness: number;
  /** The remote's clock may be off by this much. */
  readonly skew: number;
}

// ---------------------------------------------------------------- troubles

/**
 * Why a call did not end well; one switch in delivery decides what follows (design, "Deliver, honestly").
 * `unreachable`: certainly never sent. `unknown`: sent, outcome not known. `busy`: asked to wait.
 * `stale`: a version guard failed. `gone`: the object is not there. `refused`: the remote said no to this
 * input. `forbidden`: credentials. `cursor-lost`: the page or cursor is no longer known.
 */
export type TroubleKind =
  | 'unreachable'
  | 'unknown'
  | 'busy'
  | 'stale'
  | 'gone'
  | 'refused'
  | 'forbidden'
  | 'cursor-lost';

export interface TroubleDetail {
  /** The remote's own words, without secrets. */
  readonly message: string;
  /** The remote's own code (`8303`, `VALIDATION_ERROR`). */
  readonly code?: string;
  readonly status?: number;
  /** For `busy`, and for `unreachable` while the breaker is open: wait at least this many ms. */
  readonly retryAfter?: number;
  /** For `forbidden`: true when it names one object or kind, so that only that parks. */
  readonly scoped?: boolean;
}

export class Trouble extends Error {
  readonly kind: TroubleKind;
  readonly detail: TroubleDetail;
  constructor(kind: TroubleKind, detail: TroubleDetail) {
    super(`${kind}: ${detail.message}`);
    this.name = 'Trouble';
    this.kind = kind;
    this.detail = detail;
  }
}

// ---------------------------------------------------------------- writing

/** A new object. `value` holds only places that are to be set. */
export interface CreateItem {
  /** Unique per promise; the same on every repeat of the same call. */
  readonly key: string;
  readonly value: JsonObject;
}

/** A change of an existing object. `value` holds only places that change; `null` clears one. */
export interface UpdateItem {
  readonly key: string;
  readonly id: string;
  readonly value: JsonObject;
  /** The version that was last seen; where the kind is `guarded`, a different one now must answer `stale`. */
  readonly version?: string;
}

export interface RemoveItem {
  readonly key: string;
  readonly id: string;
  readonly version?: string;
}

/** The outcome of one item of a call, in the order of the items sent. */
export type ItemResult =
  | {
      readonly is: 'done';
      readonly id: string;
      /** The whole object after the write, if the response carries it: it is the confirming look. */
      readonly object?: RemoteObject;
    }
  | { readonly is: 'refused'; readonly code?: string; readonly message: string; readonly existing?: string }
  | { readonly is: 'stale' }
  | { readonly is: 'gone'; readonly movedTo?: string }
  | { readonly is: 'unknown'; readonly message: string };

/** How a kind takes writes of one sort. */
export interface Writer<Item> {
  /** Most items in one call. */
  readonly most: number;
  /** True if one bad item fails the whole call: such a batch is bisected. */
  readonly atomic: boolean;
  /** True if a repeat with the same item or call key is harmless on the remote. */
  readonly keyed: boolean;
  /** Throws Trouble for the call as a whole; otherwise one result per item, in order. */
  send(items: readonly Item[], call: { readonly key: string }): Promise<readonly ItemResult[]>;
}

// ---------------------------------------------------------------- kinds and sessions

export interface Kind {
  /** One symmetric shape, read = write: as it is known when nobody has been asked. */
  readonly schema: JsonSchema;
  /**
   * What this account's objects are like now, in the very shape of `schema`: the same places for what the connection
   * reads and writes, with the options, limits and rights that the account has given them; a place that is not there
   * any more is left out. What the remote does not tell stays as in `schema`, so that an account in its usual state
   * differs from it in nothing.
   *
   * Asked before the first data of the kind moves, before each sweep, once a day, and by `check --live` and `doctor`;
   * never while a connection is opened. It changes nothing in the remote and is over in 20 s, or counts as `unknown`.
   * The answer replaces `schema` for the syncs of the kind, and is kept. Any trouble leaves the last answer that was
   * kept in force, else `schema`, which is told with the trouble's words, and is asked again a quarter of an hour later;
   * none of them pauses anything. `forbidden` says that the credentials may not see definitions.
   */
  describe?(): Promise<JsonSchema>;
  /** True: it is about money. Where a day's calls run short, its calls go before all but those of people. */
  readonly money?: boolean;
  readonly stamps?: Stamps;
  /** True if `UpdateItem.version` is honoured by the remote. */
  readonly guarded?: boolean;
  /** Read by id; at most `readMost` (100) ids a call. Every id asked for is in the answer. */
  read?(ids: readonly string[]): Promise<ReadonlyMap<string, Look>>;
  readonly readMost?: number;
  /** Everything once. `page` is null at first, then the former page's `next`. Rows are whole objects. */
  scan?(page: string | null): Promise<Page>;
  /** Objects whose stamp lies in [since, until); overlap, ties and window ends are the engine's. */
  changes?(window: { readonly since: number; readonly until: number }, page: string | null): Promise<Page>;
  readonly create?: Writer<CreateItem>;
  readonly update?: Writer<UpdateItem>;
  readonly remove?: Writer<RemoveItem>;
  /** Exact search, for settling a create whose outcome is unknown and for matching before a create. */
  readonly find?: {
    /** A new object may be missing from answers for this many ms. */
    readonly lag: number;
    /** Ids of objects that hold all of these values at these JSON pointers (in `value`). */
    by(equals: ReadonlyMap<string, Json>): Promise<readonly string[]>;
    /** The pointers that can be searched. */
    readonly pointers: readonly string[];
  };
}

/** An HTTP request that a remote sent to `/hooks/:connection`. `body` is the raw bytes. */
export interface HookRequest {
  readonly method: string;
  /** The whole public URL as the remote called it, with its query. */
  readonly url: string;
  /** Header names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface HookReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A value that a hook names, for fields whose history matters. */
export interface HistoryEntry {
  /** JSON pointer into the kind's value. */
  readonly pointer: string;
  readonly value: Json;
  /** UTC ms. */
  readonly at: number;
  readonly by?: string;
  /** Unique per real change; a redelivered hook repeats it. */
  readonly event: string;
}

/** One object that a hook, row or line names. */
export interface Hint {
  readonly kind: string;
  readonly id: string;
  /** Whole object as it was when the hook was made; only when it is complete. */
  readonly object?: RemoteObject;
  readonly history?: readonly HistoryEntry[];
}

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly why: string };

export interface Hooks {
  /** Checks the signature over raw bytes, and the time window. Never throws for bad input. */
  verify(request: HookRequest): Verdict;
  /** The answer to a handshake (an echo, a challenge), or undefined if this is no handshake. */
  handshake?(request: HookRequest): HookReply | undefined;
  /** The objects named. Throws an Error with a plain sentence if the body is not what it should be. */
  hints(request: HookRequest): readonly Hint[];
  /** What to answer once everything is durable; default: 200 with an empty body. */
  reply?(request: HookRequest): HookReply;
}

/** A message to people. */
export interface Notifier {
  /** Longest text in UTF-8 bytes. */
  readonly mostBytes: number;
  /** At most `count` messages in any `per` ms; more become a digest. */
  readonly rate?: { readonly count: number; readonly per: number };
  send(text: string): Promise<void>;
}

/**
 * A limit that the account declares: at most `count` calls in any `per` ms. The name up to a colon is its
 * group (`search:second` and `search:day` are two windows of one group). Group `default`, or a
 * connection's only group, counts every call; any other counts the calls that name it in
 * `HttpRequest.limits`. Repeats of a call that failed are not counted again.
 */
export interface Limit {
  readonly name: string;
  readonly count: number;
  readonly per: number;
}

/** Calls that an account allows in a day of its own. What they are spent on is planned (see `quotas.ts`). */
export interface DayQuota {
  /** A group, as of `Limit`: `default`, or a connection's only quota, counts every call; any other those that name it. */
  readonly name: string;
  readonly count: number;
  /** IANA zone of the midnight at which it begins anew. */
  readonly zone: string;
}

export interface Session {
  /** One cheap call that shows that address and credentials work; returns a line for people. */
  check(): Promise<string>;
  readonly kinds: Readonly<Record<string, Kind>>;
  /** What a response tells of a day quota, by its name: how many calls are left. */
  left?(response: HttpResponse): { readonly name: string; readonly left: number } | undefined;
  readonly hooks?: Hooks;
  readonly notify?: Notifier;
  readonly login?: Login;
  /** Adds credentials or a signature; runs anew for each attempt. `grant` comes where there is a `login`. */
  authorize?(request: HttpRequest, grant?: Grant): HttpRequest;
  /** Turns a response into a trouble, before the common table (401, 429, 5xx …) is applied. */
  trouble?(response: HttpResponse, request: HttpRequest): Trouble | undefined;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute; its origin must be one that the connection allows. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON body, or raw text when it is a string. */
  readonly body?: Json;
  /** True if sending it twice does no harm: it is retried when the outcome is unknown. */
  readonly repeatable: boolean;
  /** Groups of declared limits that this call counts against, besides `default`; see `Limit`. */
  readonly limits?: readonly string[];
  /** ms; default 30,000. */
  readonly deadline?: number;
  /** True for what `Login.renew` sends: it goes out without a grant. */
  readonly login?: boolean;
}

export interface HttpResponse {
  readonly status: number;
  /** Header names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
  /** Parsed body. Integers beyond 2^53 come as text. Throws Trouble `unknown` if it is not JSON. */
  json(): Json;
}

/** ms that answers serve: as fresh (`keep`), then while a newer one is on its way (`stale`); that there is nothing (`absent`). */
export interface LookupRule {
  readonly keep: number;
  readonly stale: number;
  readonly absent: number;
  /** Kind of objects: what touches one of them ends the answer by its id. */
  readonly of?: string;
}

export interface Host {
  /** Sends through the connection's pipe; resolves on 2xx, throws Trouble otherwise. */
  request(request: HttpRequest): Promise<HttpResponse>;
  /** What the remote has by a key, kept as declared under this name in `lookups`; never for what is merged. `load` asks it. */
  lookup(name: string, key: string, load: () => Promise<Json | undefined>): Promise<Json | undefined>;
  /** UTC ms. */
  now(): number;
  /** In [0, 1). */
  random(): number;
  log(level: 'debug' | 'info' | 'warn' | 'error', text: string, fields?: JsonObject): void;
}

export interface Connector<Settings = JsonObject> {
  readonly name: string;
  readonly title: string;
  /** JSON Schema of the settings; strict (`additionalProperties: false`), every property described. */
  readonly settings: JsonSchema;
  /** Limits of an account; may depend on settings. Empty: no limiter is built. */
  limits?(settings: Settings): readonly Limit[];
  /** Calls that a day allows; may depend on settings. */
  quotas?(settings: Settings): readonly DayQuota[];
  /**
   * Addresses that the connection may call, from its settings: `https://host[:port]`, or `host[:port]` for
   * http and https alike; without a port only the scheme's own.
   */
  hosts(settings: Settings): readonly string[];
  /** What `Host.lookup` keeps, by name; an installation may set other times. */
  readonly lookups?: Readonly<Record<string, LookupRule>>;
  /** What the vendor has announced to end, of what these settings use. */
  sunset?(settings: Settings): readonly Sunset[];
  /** False: requests carry no `traceparent`, for remotes that refuse headers that they do not know. */
  readonly traced?: boolean;
  /** Opens a session. Does no input or output. */
  open(settings: Settings, host: Host): Session;
}

/** Identity function that gives a connector its types. */
export const defineConnector = <Settings>(connector: Connector<Settings>): Connector<Settings> => connector;

// ---------------------------------------------------------------- sandboxes

/** A request as a sandbox sees it: headers lower case, body as raw bytes. */
export interface SandboxRequest {
  readonly method: string;
  /** Path with query, as on the request line. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface SandboxResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A hook that the sandboxed system sends `after` ms from now. */
export interface SandboxHook {
  readonly after: number;
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  };
}

/**
 * A faithful small model of a system: its paths, auth, paging, limits, error bodies, signatures and the
 * signed hooks that it sends. Pure: equal arguments give equal results. `state` may be mutated in place
 * and is handed back.
 */
export interface Sandbox<State = unknown, Options = JsonObject> {
  readonly name: string;
  initial(options: Options): State;
  handle(
    request: SandboxRequest,
    state: State,
    now: number,
    random: () => number,
  ): { readonly response: SandboxResponse; readonly state: State; readonly hooks: readonly SandboxHook[] };
}
