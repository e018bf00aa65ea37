/** check --live, doctor, sync and status before a remote that has changed. */
import { afterEach, describe, expect, it } from 'vitest';
import { Story } from '../story.ts';
import { Commands, type Ran } from './command.ts';

interface Found {
  readonly severity: string;
  readonly code: string;
  readonly message: string;
  readonly file?: string;
  readonly pointer?: string;
  readonly drift?: {
    readonly kind: string;
    readonly pointer: string;
    readonly was: unknown;
    readonly is: unknown;
  };
}
interface Checked {
  readonly ok: boolean;
  readonly findings: readonly Found[];
  readonly live?: readonly object[];
}

/** Each command is a process of its own. */
const slow = { timeout: 180_000 };

let story: Story | undefined;
let commands: Commands | undefined;
afterEach(async () => {
  commands?.killAll();
  await story?.end();
});

interface Begun {
  readonly at: Story;
  readonly run: (...args: string[]) => Promise<Ran>;
  readonly sent: string[];
  deny(on: boolean): void;
}

const begin = async (): Promise<Begun> => {
  const sent: string[] = [];
  let denied = false;
  story = await Story.begin({
    hubspot: {
      intercept: (request, next) => {
        if (request.headers['x-sandbox-actor'] === undefined) sent.push(`${request.method} ${request.path}`);
        const body = JSON.stringify({ message: 'scope missing', category: 'MISSING_SCOPES' });
        return denied && request.path.includes('/properties/') ? { status: 403, body } : next();
      },
    },
  });
  const made = new Commands(story.folder);
  commands = made;
  return { at: story, run: (...args) => made.run(...args), sent, deny: (on) => (denied = on) };
};

const change = async (at: Story): Promise<void> => {
  await at.inHubspot('DELETE', '/crm/v3/properties/contacts/customer_id');
  await at.inHubspot('PUT', '/crm/v3/property-validations/0-1/jobtitle/rule-type/MAX_LENGTH', {
    ruleArguments: ['40'],
  });
};
const repair = (at: Story): Promise<unknown> =>
  at.inHubspot('POST', '/crm/v3/properties/contacts', { name: 'customer_id', label: 'Customer' });

describe('crosswalk check --live', () => {
  it(
    'asks the remotes and finds nothing where nothing has changed; plain check asks nobody',
    slow,
    async () => {
      const { run, sent } = await begin();
      const plain = await run('check', '--json');
      expect([plain.code, sent]).toEqual([0, []]);
      expect(JSON.parse(plain.out)).not.toHaveProperty('live');
      const asked = await run('check', '--live', '--json');
      expect([asked.code, asked.err]).toEqual([0, '']);
      const told = JSON.parse(asked.out) as Checked;
      expect(told.findings.filter((one) => one.code.startsWith('drift-'))).toEqual([]);
      expect(told.live).toEqual([
        { connection: 'hubspot', kind: 'contact', asked: 'told' },
        { connection: 'crm', kind: 'contact', asked: 'told' },
      ]);
      expect(sent.length).toBeGreaterThan(0);
      expect(sent.filter((one) => !one.startsWith('GET '))).toEqual([]);
      const text = await run('check', '--live');
      expect(text.out).toContain('the remotes told what they are like now: hubspot/contact, crm/contact');
    },
  );

  it('tells what has changed, what it touches, and what to do', slow, async () => {
    const { at, run, sent } = await begin();
    await change(at);
    const { code, out } = await run('check', '--live', '--json');
    expect(code).toBe(1);
    const { ok, findings } = JSON.parse(out) as Checked;
    expect(ok).toBe(false);
    expect(findings.find((one) => one.code === 'drift-gone')).toMatchObject({
      severity: 'error',
      pointer: '/fields/customerId',
      file: expect.stringContaining('hubspot/contact.json') as unknown,
      drift: {
        kind: 'hubspot/contact',
        pointer: '/properties/customer_id',
        was: 'text',
        is: null,
        touches: [
          {
            mapping: 'hubspot-contact',
            syncs: ['hubspot-contacts'],
            fields: [{ field: 'customerId', pointer: '/fields/customerId' }],
          },
        ],
      },
    });
    expect(findings.find((one) => one.code === 'drift-narrower')?.severity).toBe('warning');
    // The mapping's own check speaks of the live schema too.
    expect(findings.find((one) => one.code === 'mapping-pointer-unknown')?.message).toContain(
      '/properties/customer_id',
    );
    const text = await run('check', '--live');
    expect(text.code).toBe(1);
    expect(text.out).toContain(
      'is no longer there in hubspot/contact. It touches mapping hubspot-contact: customerId (',
    );
    expect(text.out).toContain('2 errors');
    sent.length = 0;
    expect([(await run('check')).code, sent]).toEqual([0, []]);
  });

  it(
    'ends with the code of a remote where only the asking failed, and takes no folder of mappings',
    slow,
    async () => {
      const { run, deny } = await begin();
      deny(true);
      const { code, out } = await run('check', '--live', '--json');
      expect(code).toBe(4);
      expect((JSON.parse(out) as Checked).findings.find((one) => one.severity === 'error')).toMatchObject({
        code: 'drift-unasked',
        message: 'What hubspot/contact is like now could not be asked: forbidden: scope missing.',
      });
      expect((await run('check', '--live', '--mappings', 'mappings')).code).toBe(2);
    },
  );
});

interface Doctor {
  readonly findings: readonly { readonly what: string; readonly state: string; readonly text: string }[];
}

describe('crosswalk doctor', () => {
  it('tells the drift of each kind in a line', slow, async () => {
    const { at, run, deny } = await begin();
    const lines = async (): Promise<unknown[]> => {
      const { findings } = JSON.parse((await run('doctor', '--json')).out) as Doctor;
      return findings
        .filter((one) => one.what.startsWith('schema of '))
        .map((one) => [one.what, one.state, one.text]);
    };
    expect(await lines()).toEqual([
      ['schema of hubspot/contact', 'ok', 'no drift'],
      ['schema of crm/contact', 'ok', 'no drift'],
    ]);
    await change(at);
    expect((await lines())[0]).toEqual(['schema of hubspot/contact', 'fail', 'drift: 1 error, 1 warning']);
    await repair(at);
    expect((await lines())[0]).toEqual(['schema of hubspot/contact', 'warn', 'drift: 1 warning']);
    deny(true);
    expect((await lines())[0]).toEqual([
      'schema of hubspot/contact',
      'warn',
      'What hubspot/contact is like now could not be asked: forbidden: scope missing.',
    ]);
  });
});

describe('crosswalk sync', () => {
  it(
    'asks first: it moves nothing through a mapping that no longer fits, and does once it fits again',
    slow,
    async () => {
      const { at, run, sent } = await begin();
      await at.fileContacts([{ email: 'ann@x.cn', lastname: 'Smith', customer_id: 'KH-1' }]);
      await change(at);
      const plan = await run('sync', 'hubspot-contacts', '--plan', '--json');
      expect([plan.code, plan.out]).toEqual([1, expect.stringContaining('"code":"paused"')]);
      const refused = await run('sync', 'hubspot-contacts', '--json');
      expect(refused.code).toBe(1);
      const { error } = JSON.parse(refused.out) as { error: { code: string; message: string } };
      expect(error.code).toBe('paused');
      expect(error.message).toContain('/properties/customer_id is no longer there in hubspot/contact');
      expect(JSON.parse(refused.out)).toMatchObject({
        error: { remedy: 'Start it again with `crosswalk resume hubspot-contacts`.' },
      });
      expect(sent.filter((one) => one.includes('/objects/'))).toEqual([]);
      // The other side goes on.
      expect((await run('sync', 'crm-contacts')).code).toBe(0);

      const status = await run('status');
      expect(status.out).toMatch(/^hubspot\/contact +live +\d{4}-.* 1 error, 1 warning$/mu);
      expect(status.out).toContain('DRIFT error: The place /properties/customer_id');
      expect(status.out).toMatch(/^hubspot-contacts .*paused: hubspot\/contact has changed/mu);

      await repair(at);
      expect((await run('sync', 'hubspot-contacts')).code).toBe(0);
      expect((await at.crmRows()).map((row) => row['customer_id'])).toEqual(['KH-1']);
      expect((await run('status')).out).not.toContain('DRIFT error');
    },
  );
});
