/** `crosswalk simulate`: what a configuration leads to, told before anything of it runs. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openAll } from '../../src/cli/kinds.ts';
import { run } from '../../src/cli/program.ts';
import { loadInstallation } from '../../src/installation.ts';
import { runCourses, type Courses } from '../../src/simulate/courses.ts';
import type { Fight, SyncFigures } from '../../src/simulate/findings.ts';
import { app, form, usual } from '../story.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-simulate-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const connections = `allowInlineSecrets: true
connections:
  hubspot: { connector: hubspot, settings: { token: pat-story, clientSecret: secret } }
  crm: { connector: jiandaoyun, settings: { apiKey: key, hookSecret: hook, app: "${app}", entries: { contact: "${form}" } } }
`;

const write = (config: string): void =>
  writeFileSync(path.join(folder, 'crosswalk.yaml'), connections + config);

/** A mapping of the program, changed, as one of the installation's own. */
const remap = (
  name: string,
  change: (fields: Record<string, Record<string, unknown>>) => void,
  without?: string,
): void => {
  const document = JSON.parse(readFileSync(`mappings/${name}.json`, 'utf8')) as {
    fields: Record<string, Record<string, unknown>>;
    examples: unknown[];
  };
  change(document.fields);
  if (without !== undefined)
    document.examples = document.examples.filter((one) => !JSON.stringify(one).includes(without));
  mkdirSync(path.join(folder, 'mappings', path.dirname(name)), { recursive: true });
  writeFileSync(path.join(folder, `mappings/${name}.json`), JSON.stringify(document));
};

interface Told {
  readonly violations: number;
  readonly rest: boolean;
  readonly wrong: readonly string[];
  readonly fights: readonly Fight[];
  readonly syncs: Record<string, SyncFigures>;
}

/** The command in this process: its exit code and what it said. */
const simulate = async (...args: string[]): Promise<{ code: number; out: string }> => {
  let out = '';
  const listeners = process.stdout.listeners('error');
  const errors = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  try {
    const code = await run(['node', 'crosswalk', 'simulate', '--dir', folder, ...args]);
    return { code, out };
  } finally {
    spy.mockRestore();
    errors.mockRestore();
    // As a process of its own would: each run of the command listens for a reader that leaves.
    for (const listener of process.stdout.listeners('error'))
      if (!listeners.includes(listener)) process.stdout.off('error', listener as () => void);
  }
};

const told = async (...args: string[]): Promise<Told & { code: number }> => {
  const { code, out } = await simulate(...args, '--json');
  return { code, ...(JSON.parse(out) as Told) };
};

/** The same without the command. */
const courses = async (more: Partial<Courses>) => {
  const installation = loadInstallation(folder, {});
  const { sessions } = await openAll(installation.config, installation.connectors, {});
  return runCourses({ installation, sessions, from: 1, seeds: 3, steps: 200, ...more });
};

describe('a sound configuration', () => {
  it('comes to rest, costs a write a change, and makes nothing twice', async () => {
    write(usual);
    const { code, syncs, ...rest } = await told('--seeds', '3');
    expect({ code, ...rest }).toEqual({
      code: 0,
      seeds: 3,
      steps: 200,
      seed: 1,
      violations: 0,
      rest: true,
      wrong: [],
      fights: [],
    });
    for (const name of ['hubspot-contacts', 'crm-contacts']) {
      const one = syncs[name];
      expect(one?.doubled).toBe(0);
      expect(one?.changes).toBeGreaterThan(20);
      // A protected value that is put back is the one thing that costs more.
      expect((one?.writes ?? 0) / (one?.changes ?? 1)).toBeCloseTo(1, 0);
      for (const field of ['name', 'email', 'mobile', 'stage', 'street'])
        expect(one?.fields[field]?.edits, `${name} ${field}`).toBeGreaterThan(0);
    }
    const asked = Object.values(syncs['crm-contacts']?.fields ?? {}).reduce((sum, one) => sum + one.asked, 0);
    expect(asked).toBeGreaterThan(0);
  });

  it('is the same for the same seed, and another for another', async () => {
    write(usual);
    const once = await told('--seeds', '1', '--steps', '120', '--seed', '7');
    expect(await told('--seeds', '1', '--steps', '120', '--seed', '7')).toEqual(once);
    expect((await told('--seeds', '1', '--steps', '120', '--seed', '8')).syncs).not.toEqual(once.syncs);
  });

  it('may hold two entities, a reference between them, and deletions that reach the other side', async () => {
    write(
      usual
        .replaceAll('mode: live', 'deletes: propagate, mode: live')
        .replace('entities:', 'entities:\n  customer: { keys: [[name]] }')
        .concat(
          '  companies: { connection: hubspot, mapping: hubspot-company, direction: both, mode: live, create: true }\n',
          '  customers: { connection: crm, mapping: jiandaoyun-customer, direction: both, mode: live, create: true }\n',
        ),
    );
    const file = path.join(folder, 'crosswalk.yaml');
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace('entries: {', `entries: { customer: "60a2000000000000000000b3",`),
    );
    const { syncs, wrong, rested } = await courses({ seeds: 2 });
    expect({ wrong: [...wrong], rested }).toEqual({ wrong: [], rested: 2 });
    expect(Object.keys(syncs).toSorted()).toEqual([
      'companies',
      'crm-contacts',
      'customers',
      'hubspot-contacts',
    ]);
    expect(syncs['customers']?.writes).toBeGreaterThan(0);
  });

  it('is what init scaffolds, without any secret', async () => {
    await simulateInit();
    const { code, out } = await simulate('--seeds', '2');
    expect(code).toBe(0);
    expect(out).toContain('2 of 2 seeds came to rest');
    expect(out).toMatch(
      /crm-contacts: (?:0\.[89]|1\.[01])\d writes per change elsewhere, 0 objects made twice/u,
    );
  });
});

const simulateInit = async (): Promise<void> => {
  const spy = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  await run(['node', 'crosswalk', 'init', folder]);
  spy.mockRestore();
};

describe('a configuration that goes wrong', () => {
  it('tells field and both syncs where remotes spell in opposite ways and no mapping says so', async () => {
    write(usual);
    const habits = ['--habit', 'crm-contacts=upper', '--habit', 'hubspot-contacts=lower'];
    const { code, fights, wrong } = await told('--seeds', '2', ...habits);
    expect(code).toBe(1);
    const title = fights.find(({ field }) => field === 'title');
    expect(title?.syncs).toEqual(['crm-contacts', 'hubspot-contacts']);
    expect(wrong.join('\n')).toMatch(/^title never settles between crm-contacts and hubspot-contacts: /mu);
    // What both mappings read in lower case is nothing to fight about, nor what tables translate.
    expect(fights.map(({ field }) => field)).not.toContain('email');
    expect(fights.map(({ field }) => field)).not.toContain('stage');
  });

  it('does so where the mappings declare it', async () => {
    write(usual);
    remap('hubspot/contact', (fields) => Object.assign(fields['title'] ?? {}, { remote: ['lower'] }));
    remap('jiandaoyun/contact', (fields) => Object.assign(fields['title'] ?? {}, { remote: ['upper'] }));
    const { code, fights, syncs } = await told('--seeds', '2');
    expect({ code, fights }).toEqual({ code: 0, fights: [] });
    expect(syncs['crm-contacts']?.fields['title']?.edits).toBeGreaterThan(0);
  });

  it('tells values that the other side refuses, and why', async () => {
    write(usual);
    const table = {
      订阅: 'subscriber',
      线索: 'lead',
      意向: 'qualified',
      商机: 'opportunity',
      客户: 'customer',
    };
    remap(
      'jiandaoyun/contact',
      (fields) => Object.assign(fields['stage'] ?? {}, { steps: [{ table }] }),
      '流失',
    );
    const { syncs } = await courses({});
    const stage = syncs['crm-contacts']?.fields['stage'];
    expect(stage?.refused).toBeGreaterThan(0);
    expect(stage?.refusal).toContain('is not in the table');
  });

  it('finds an engine that makes objects twice, forgets what it owes, or never rests', async () => {
    write(usual);
    // Only a create whose answer gets lost tells; the neighbours are for the day when the dice fall otherwise.
    const twice: string[] = [];
    for (let from = 17; from < 60 && twice.length === 0; from += 1)
      twice.push(...(await courses({ mutation: 'blind-create-retry', from, seeds: 1 })).wrong);
    expect(twice).toEqual(['hubspot-contacts got an object twice']);
    const owed = await courses({ mutation: 'close-without-equal', seeds: 1 });
    expect([...owed.wrong].join('\n')).toMatch(/is not what the record has, and nobody is asked/u);
    const restless = await courses({ mutation: 'one-shadow', seeds: 1, steps: 100 });
    expect(restless.rested).toBe(0);
    expect([...restless.wrong].join('\n')).toMatch(/seed 1 did not come to rest: /u);
  });

  it('asks a person under the policy that says so, restores what a reader edits, and is no failure for it', async () => {
    const syncs = usual.replace('crm-contacts: { ', 'crm-contacts: { roles: { title: reader }, ');
    write(syncs.replace('conflict: newest', 'conflict: ask, clear: ask, owners: { stage: crm }'));
    const { code, syncs: shown, wrong } = await told('--seeds', '2');
    expect({ code, wrong }).toEqual({ code: 0, wrong: [] });
    const { title, street } = shown['crm-contacts']?.fields ?? {};
    expect(title?.restored).toBeGreaterThan(0);
    expect(title?.asked).toBe(0);
    expect((street?.asked ?? 0) + (shown['crm-contacts']?.fields['phone']?.asked ?? 0)).toBeGreaterThan(0);
  });

  it('refuses what it cannot take', async () => {
    write(usual);
    expect((await simulate('--seeds', '0')).code).toBe(2);
    expect((await simulate('--habit', 'crm-contacts=shout')).code).toBe(2);
    expect((await simulate('--habit', 'nobody=lower')).code).toBe(2);
  });
});
