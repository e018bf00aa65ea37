/** The picture of a mapping in a real browser: nothing overlaps, nothing is cut off, in every window and both schemes. */
import { existsSync, readdirSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawing } from '../../src/cli/drawing.ts';
import type { JsonObject, JsonSchema } from '../../src/connector.ts';
import { evaluate } from '../../src/evaluator.ts';
import { bind } from '../../src/mapping/bind.ts';
import { readEntity, readMapping, type Entity } from '../../src/mapping/document.ts';
import { explain } from '../../src/mapping/explain.ts';
import { preparedExamples } from '../../src/mapping/expressions.ts';
import { hasBrowser, openBrowser } from '../browser.ts';
import { entityOf, root, textOf } from '../mapping/sample.ts';

const pageOf = async (text: string, own: Entity | null, kind: JsonSchema | null): Promise<string> => {
  const document = readMapping(text, 'picture.json');
  const entities = new Map(
    readdirSync(new URL('mappings/entities/', root)).map((file) => {
      const entity = entityOf(file.replace('.schema.json', ''));
      return [entity.name, entity] as const;
    }),
  );
  const entity = own ?? entities.get(document.entity);
  if (entity === undefined) throw new Error(`no entity ${document.entity}`);
  const lens = bind(document, entity.schema, kind);
  const prepared = await preparedExamples(document, evaluate);
  const told = { entity, entities, kind, lens };
  return drawing(explain(document, prepared === undefined ? told : { ...told, prepared }));
};

const shipped = readdirSync(new URL('mappings/', root), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'entities')
  .flatMap((entry) =>
    readdirSync(new URL(`mappings/${entry.name}/`, root))
      .filter((file) => !file.endsWith('.schema.json'))
      .map((file) => `mappings/${entry.name}/${file}`),
  );

const shippedPage = (path: string): Promise<string> => {
  const { connector, kind } = (JSON.parse(textOf(path)) as { remote: Record<string, string> }).remote;
  const own = `connectors/${connector}/schema/${kind}.json`;
  const file = existsSync(new URL(own, root)) ? own : `mappings/${connector}/${kind}.schema.json`;
  return pageOf(textOf(path), null, JSON.parse(textOf(file)) as JsonSchema);
};

/** Everything that a mapping may say, with names, values and tables that no box was made for. */
const crowded = (): Promise<string> => {
  const long = 'a'.repeat(150);
  const names = Array.from({ length: 60 }, (_, index) => `field${index}`);
  const properties: Record<string, JsonObject> = Object.fromEntries(
    names.map((name, index) => [
      name,
      { type: 'string', title: index % 3 === 0 ? '很长的中文标题'.repeat(9) : name },
    ]),
  );
  properties['kind'] = { type: 'string' };
  properties['fixed'] = { type: 'string' };
  properties['who'] = { type: 'string', history: 'every', personal: true };
  properties['rows'] = {
    type: 'array',
    items: { type: 'object', properties: { id: { type: 'string' }, [`x${long}`]: { type: 'string' } } },
  };
  const entity = readEntity(
    JSON.stringify({ $id: 'crowd', type: 'object', properties }),
    'crowd.schema.json',
  );
  const fields: JsonObject = Object.fromEntries(
    names.map((name, index) => [
      name,
      {
        at: `/部门/${name}/${index % 5 === 0 ? long : '<script>alert(1)</script>'.replaceAll('/', '~1')}`,
        steps: index % 2 === 0 ? ['trim', 'collapse-space', 'half-width', 'lower', { truncate: 100 }] : [],
      },
    ]),
  );
  const table = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [`值${index}${long}`, `value ${index} \u202e ${long}`]),
  );
  fields['kind'] = {
    at: '/k',
    steps: [{ table }],
    otherwise: { in: 'keep', out: long },
    remote: ['upper', 'trim'],
  };
  fields['fixed'] = { steps: [{ constant: long }], flow: 'in' };
  fields['who'] = {
    at: ['/id', '/type'],
    reference: { to: { 'res.partner': 'customer', [long]: 'employee' }, by: 'id' },
    required: true,
    overflow: 'refuse',
  };
  fields['rows'] = {
    at: `/${long}`,
    rows: { key: 'id', missing: 'remove', fields: { id: { at: '/id' }, [`x${long}`]: { at: `/${long}~1` } } },
  };
  const part = {
    at: '/parts',
    key: '/id',
    entity: 'receipt',
    fields: { payer: { at: `/${long}` } },
    ignored: ['/id'],
  };
  const remote: JsonObject = {
    部门: Object.fromEntries(names.map((name) => [name, { [long]: `${long}\u202e${'中'.repeat(200)}` }])),
    [long]: [{ id: 'r1', [`${long}/`]: long }],
    parts: [{ id: 'p1', [long]: '付'.repeat(300) }],
  };
  const document = {
    name: 'crowd',
    remote: { connector: 'crowded', kind: 'thing' },
    entity: 'crowd',
    when: { at: `/when/${long}`, is: [true, null, long] },
    anchor: `/anchor/${long}`,
    overflow: 'park',
    fields,
    parts: { receipts: part },
    ignored: names.map((name) => `/ignored/${name}`),
    examples: [{ remote, entity: {} }],
  };
  return pageOf(JSON.stringify(document), entity, null);
};

interface Seen {
  /** Pairs of texts of which one lies over the other. */
  readonly overlaps: readonly string[];
  /** Texts outside of the page or of the box that they belong to. */
  readonly outside: readonly string[];
  /** Texts that stand out too little from what is behind them (WCAG AA asks for 4.5 to 1). */
  readonly faint: readonly string[];
  /** Texts that were cut and do not tell the rest. */
  readonly cut: readonly string[];
  readonly texts: number;
}

/** Looks at the page from inside: this is run by the browser, which is why it is text. */
const look = `(() => {
  for (const one of document.querySelectorAll('details')) one.open = true;
  const shades = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const shade = shades(getComputedStyle(at).backgroundColor);
      if (shade.length === 3 || shade[3] === 1) return shade;
    }
    return [255, 255, 255];
  };
  const width = document.documentElement.clientWidth;
  const all = [];
  const outside = document.documentElement.scrollWidth > width ? ['the page is ' + document.documentElement.scrollWidth + ' wide'] : [];
  const faint = new Set();
  const cut = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(), id = 0; node !== null; node = walker.nextNode(), id += 1) {
    const text = node.data.trim();
    if (text === '') continue;
    const box = node.parentElement.closest('.box, .step, .names li, .badges li, summary, td, section, header')?.getBoundingClientRect();
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const { left, right, top, bottom } of range.getClientRects()) {
      if (right - left < 1) continue;
      // Letters do not reach the edges of their line.
      all.push({ id, text, left: left + 0.5, right: right - 0.5, top: top + 2, bottom: bottom - 2 });
      if (left < -0.5 || right > width + 0.5) outside.push(text.slice(0, 40));
      if (box !== undefined && (left < box.left - 1 || right > box.right + 1 || top < box.top - 2 || bottom > box.bottom + 2)) outside.push('of its box: ' + text.slice(0, 40));
    }
    const a = light(shades(getComputedStyle(node.parentElement).color));
    const b = light(behind(node.parentElement));
    if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) faint.add(node.parentElement.className + ': ' + text.slice(0, 20));
    if (text.endsWith('…') && node.parentElement.title.length <= text.length) cut.push(text.slice(0, 40));
  }
  for (const one of document.querySelectorAll('body *'))
    if (one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== 'visible' && one.title === '') cut.push(one.className);
  all.sort((one, other) => one.top - other.top);
  const overlaps = [];
  all.forEach((one, index) => {
    for (let at = index + 1; at < all.length && all[at].top < one.bottom; at += 1) {
      const other = all[at];
      if (other.id !== one.id && other.left < one.right && one.left < other.right) overlaps.push(one.text.slice(0, 40) + ' / ' + other.text.slice(0, 40));
    }
  });
  return { overlaps, outside, faint: [...faint], cut, texts: all.length };
})()`;

describe.skipIf(!hasBrowser)('the picture of a mapping', () => {
  let browser: Browser;
  let page: Page;
  const said: string[] = [];
  beforeAll(async () => {
    browser = await openBrowser();
    page = await browser.newPage();
    page.on('console', (message) => said.push(message.text()));
    page.on('request', (request) => said.push(request.url()));
  });
  afterAll(() => browser.close());

  /** In windows of these widths, light and dark. */
  const seen = async (html: string, widths: readonly number[]): Promise<readonly Seen[]> => {
    said.length = 0;
    await page.setContent(html);
    const made: Seen[] = [];
    for (const width of widths) {
      await page.setViewportSize({ width, height: 900 });
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        made.push((await page.evaluate(look)) as Seen);
      }
    }
    // Nothing is fetched, and no policy is broken.
    expect(said).toEqual([]);
    return made;
  };

  const pages = new Map([
    ...shipped.map((path) => [path, () => shippedPage(path)] as const),
    ['crowded', crowded],
  ]);

  it.each([...pages.keys()])(
    '%s: no two texts overlap, nothing lies outside, everything can be read',
    async (path) => {
      const html = (await pages.get(path)?.()) ?? '';
      for (const { texts, ...wrong } of await seen(html, [1360, 900, 420, 320])) {
        expect(texts).toBeGreaterThan(20);
        expect(wrong).toEqual({ overlaps: [], outside: [], faint: [], cut: [] });
      }
    },
    60_000,
  );

  it('would see a text that lies over another, one outside of the page, and one too faint', async () => {
    const html = (await shippedPage('mappings/kingdee/order.json')).replace(
      '</style>',
      '.meta{margin-top:-20px}h1{margin-left:-300px}.example{color:#ddd!important}</style>',
    );
    const [light] = await seen(html, [1360]);
    expect(light?.overlaps).not.toEqual([]);
    expect(light?.outside).not.toEqual([]);
    expect(light?.faint).not.toEqual([]);
  });
});

it('no name or value of a mapping becomes markup, and none turns the text around', async () => {
  const html = await crowded();
  expect(html).not.toContain('<script');
  expect(html).not.toContain('\u202e');
  expect(html).toContain('&#60;script&#62;');
  expect(html).toContain("default-src 'none'");
});
