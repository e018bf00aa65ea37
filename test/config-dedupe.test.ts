import { describe, expect, it } from 'vitest';
import { readConfig, type Known } from '../src/config.ts';
import configSchema from '../src/config.schema.json' with { type: 'json' };
import { sortNames } from '../src/identity/sorts.ts';

const known: Known = { mappings: new Map(), entities: new Map([['contact', ['name', 'mobile', 'email']]]) };

const settings = (dedupe: string): ReturnType<typeof readConfig> =>
  readConfig(
    `connections:\n  crm: { connector: jiandaoyun }\nentities:\n  contact:\n    dedupe: ${dedupe}\n`,
    'crosswalk.yaml',
    known,
    {},
  );

describe('what a configuration says about the search for duplicates', () => {
  it('is read, with what is usual where it is silent', () => {
    const { config } = settings(
      '{ fields: { name: person, mobile: phone }, thresholds: { propose: 0.9, automatic: 0.95 }, survivor: { system: crm } }',
    );
    expect(config?.entities['contact']?.dedupe).toEqual({
      fields: { name: 'person', mobile: 'phone' },
      thresholds: { review: 0.85, propose: 0.9, automatic: 0.95 },
      survivor: { system: 'crm' },
    });
    expect(settings('{}').config?.entities['contact']?.dedupe).toEqual({
      fields: null,
      thresholds: { review: 0.85, propose: 0.92, automatic: null },
      survivor: 'complete',
    });
  });

  it.each([
    ['{ fields: { nmae: person } }', '/entities/contact/dedupe/fields/nmae', 'did you mean "name"?'],
    ['{ fields: { name: persona } }', '/entities/contact/dedupe/fields/name', 'person'],
    ['{ fields: {} }', '/entities/contact/dedupe/fields', ''],
    ['{ thresholds: { propose: 0.8 } }', '/entities/contact/dedupe/thresholds', 'below what is shown'],
    ['{ thresholds: { automatic: 0.9 } }', '/entities/contact/dedupe/thresholds', 'below what is proposed'],
    ['{ thresholds: { propose: 92 } }', '/entities/contact/dedupe/thresholds/propose', ''],
    ['{ survivor: oldest }', '/entities/contact/dedupe/survivor', 'newest'],
    ['{ survivor: { system: erp } }', '/entities/contact/dedupe/survivor/system', 'connection'],
    ['{ merge: true }', '/entities/contact/dedupe/merge', ''],
  ])('is told where it is wrong: %s', (dedupe, pointer, words) => {
    const [fault, ...more] = settings(dedupe).faults;
    expect(more).toEqual([]);
    expect(fault?.place).toMatchObject({ pointer, line: 5 });
    expect(fault?.message).toContain(words);
  });

  it('may name every sort that there is', () => {
    const { fields } = configSchema.properties.entities.additionalProperties.properties.dedupe.properties;
    expect([...fields.additionalProperties.enum].sort()).toEqual([...sortNames].sort());
  });
});
