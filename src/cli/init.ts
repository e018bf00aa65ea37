/** init: scaffolds an installation. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CrosswalkError } from '../errors.ts';
import { exits, json, say } from './output.ts';
import type { Common } from './program.ts';

const yaml = `# A Crosswalk installation. Secrets stand here only by reference: \${env:NAME} or \${file:path}.
# crosswalk check --dir .   says what is wrong, with line and remedy
# crosswalk doctor --dir .  tries credentials, store and addresses
# crosswalk serve --dir .   runs it

server:
  port: 8080
  # publicUrl: https://crosswalk.example.com     # as the remotes reach it; their signatures may cover it
  # tokenRef: "\${env:CROSSWALK_TOKEN}"            # needed for any host but this machine

connections:
  hubspot:
    connector: hubspot
    settings: { token: "\${env:HUBSPOT_TOKEN}", clientSecret: "\${env:HUBSPOT_SECRET}" }
  crm:
    connector: jiandaoyun
    settings:
      apiKey: "\${env:JDY_KEY}"
      hookSecret: "\${env:JDY_HOOK_SECRET}"
      app: 5f1e000000000000000000a1             # app_id of your application
      entries: { contact: 60a2000000000000000000b2 } # entry_id of your contact form
  sales:
    connector: wecom
    settings: { robotKey: "\${env:WECOM_ROBOT}" }

entities:
  contact:
    keys: [[mobile, name], [email]]   # who is who
    protect: [customerId]             # filled once, never changed
    owners: { stage: crm }            # wins conflicts

syncs:
  # Without "mode: live" a sync reads and merges, and writes nothing to its remote.
  hubspot-contacts: { connection: hubspot, mapping: hubspot-contact, direction: both, create: false }
  crm-contacts: { connection: crm, mapping: jiandaoyun-contact, direction: both, create: false, conflict: newest }

notices:
  stage-moved:
    entity: contact
    when: { changed: stage }
    to: sales
    text: "{{name}}: {{before.stage}} → {{after.stage}} ({{by}}, {{at}})"
    fallback: { name: (no name), before.stage: (none), after.stage: (none), by: someone }
`;

/** What comes with the program, for the reader and the editor of an installation’s own mappings. */
const shipped = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../mappings');

const intro = `# Mappings

Mapping documents of this installation; one of the same name stands in for one that comes with Crosswalk. Try one of
those: crosswalk map hubspot-contact --file sample.ndjson. What follows tells how to write one; mapping.schema.json is
what editors complete it by (crosswalk init --force renews both after an upgrade).

`;

const sample = [
  {
    properties: {
      lastname: '王',
      firstname: '小明',
      email: ' Xiaoming.Wang@Example.CN ',
      mobilephone: '138 1234 5678',
      lifecyclestage: 'lead',
    },
  },
  {
    properties: {
      lastname: 'Lovelace',
      firstname: 'Ada',
      email: 'ada@analytical.example',
      lifecyclestage: 'customer',
      jobtitle: 'Countess',
    },
  },
];

const filesOf = (): Readonly<Record<string, string>> => ({
  'crosswalk.yaml': yaml,
  'mappings/README.md': intro + readFileSync(path.join(shipped, 'README.md'), 'utf8'),
  'mappings/mapping.schema.json': readFileSync(path.join(shipped, 'mapping.schema.json'), 'utf8'),
  'sample.ndjson': `${sample.map((row) => JSON.stringify(row)).join('\n')}\n`,
  '.gitignore': '.crosswalk/\n.env\n',
  '.env.example':
    '# Copy to .env, fill in, and load it before a command: set -a; . ./.env; set +a\nHUBSPOT_TOKEN=\nHUBSPOT_SECRET=\nJDY_KEY=\nJDY_HOOK_SECRET=\nWECOM_ROBOT=\nCROSSWALK_TOKEN=\n',
});

export const init = async (options: Common & { force?: boolean }, folder?: string): Promise<number> => {
  const root = path.resolve(folder ?? options.dir);
  const files = filesOf();
  const there = Object.keys(files).filter((name) => existsSync(path.join(root, name)));
  if (there.length > 0 && options.force !== true)
    throw new CrosswalkError('init-occupied', { folder: root, files: there.join(', ') });
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  if (options.json) json({ folder: root, files: Object.keys(files) });
  else
    say(
      `${Object.keys(files)
        .map((name) => `  ${name}`)
        .join('\n')}\nwritten to ${root}. Next: crosswalk check --dir ${folder ?? options.dir}`,
    );
  return exits.ok;
};
