import type { JsonObject, JsonSchema } from '../connector.ts';
import type { ErrorCode, ErrorParams } from '../errors.ts';
import type { Entity, Finding, MappingDocument } from './document.ts';

/** What a mapping is checked against. `kind` is null where the remote's schema is not known. */
export interface Against {
  readonly entity: Entity;
  readonly kind: JsonSchema | null;
  /** The entities that it may name besides its own. Without them names are taken on trust. */
  readonly entities?: ReadonlyMap<string, Entity>;
  /** Kinds that are known, as `connector/kind`, for a hint where the mapping's is not. */
  readonly kinds?: Iterable<string>;
  /** The examples' remote objects with their expressions computed; without them such fields are not tried. */
  readonly prepared?: readonly JsonObject[];
}

/** A mapping under check, and where its findings go. */
export interface Check extends Against {
  readonly document: MappingDocument;
  readonly found: Finding[];
  tell(code: ErrorCode, pointer: string, params: ErrorParams, severity?: Finding['severity']): void;
}

export const hinted = (hint: string | undefined): string =>
  hint === undefined ? '' : ` (did you mean ${hint}?)`;
