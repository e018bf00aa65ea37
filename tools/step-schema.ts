import { readFileSync, writeFileSync } from 'node:fs';
import type { Json, JsonObject } from '../src/connector.ts';
import { stepNamed, stepNames } from '../src/mapping/steps.ts';

/** What `mapping.schema.json` says of a step: each with its documentation and its argument, so that editors complete both. */
export const stepSchema = (): JsonObject => {
  const steps = stepNames.flatMap((name) => {
    const step = stepNamed(name);
    return step === undefined ? [] : [{ name, ...step }];
  });
  const bare = steps.filter(({ arg, bare: isBare }) => arg === undefined || isBare === true);
  const used = steps.flatMap(({ name, doc, arg, examples }): [string, Json][] => {
    if (arg === undefined) return [];
    const shown = [...new Map(examples.map((one) => [JSON.stringify(one.arg), one.arg])).values()];
    const some = shown.filter((value) => value !== undefined).slice(0, 3);
    return [[name, { description: doc, ...arg, ...(some.length === 0 ? {} : { examples: some }) }]];
  });
  return {
    description: 'The name of a step, or an object with one step and its argument: {"phone": "CN"}.',
    anyOf: [
      ...bare.map(({ name, doc }) => ({ const: name, description: doc })),
      {
        type: 'object',
        minProperties: 1,
        maxProperties: 1,
        additionalProperties: false,
        properties: Object.fromEntries(used),
      },
    ],
  };
};

/** Puts it into the published schema, whose other lines stay as they are. */
export const writeStepSchema = (file: string): void => {
  const text = readFileSync(file, 'utf8');
  const at = text.indexOf('    "step": {');
  const end = text.indexOf('\n    }', at);
  if (at < 0 || end < 0) throw new Error(`${file} has no "step" among its $defs`);
  const made = JSON.stringify(stepSchema(), null, 2).replaceAll('\n', '\n    ');
  writeFileSync(file, `${text.slice(0, at)}    "step": ${made}${text.slice(end + '\n    }'.length)}`);
};
