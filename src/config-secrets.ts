/** What a configuration says of secrets beside their values: where the master keys are, and what ends when. */
import type { Check } from './config-check.ts';
import type { SourceLookups } from './config-lookups.ts';
import type { JsonObject } from './connector.ts';

/** True if the whole text is one reference: `${env:NAME}` or `${file:path}`. */
export const isReference = (text: string): boolean => /^\$\{(?:env|file):[^{}\s][^{}]*\}$/u.test(text);

export interface SourceConnection {
  readonly connector: string;
  readonly settings?: JsonObject;
  readonly expires?: Record<string, string>;
  readonly lookups?: SourceLookups;
}

export const checkSecrets = ({ source, tell }: Check): void => {
  if (source.keyRef !== undefined && !isReference(source.keyRef))
    tell('config-shape', '/keyRef', { detail: 'is not a reference such as "${file:crosswalk.key}"' });
  for (const [name, { settings = {}, expires = {} }] of Object.entries(source.connections ?? {}))
    for (const [setting, day] of Object.entries(expires)) {
      const isSet = Object.hasOwn(settings, setting);
      if (isSet && !Number.isNaN(Date.parse(day))) continue;
      const detail = isSet ? `says ${day}, which is no day` : 'is no setting that is given here';
      tell('config-shape', `/connections/${name}/expires/${setting}`, { detail });
    }
};
