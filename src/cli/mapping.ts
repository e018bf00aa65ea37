/** map: records through one mapping, a line at a time; a bad line is told with its number and the rest goes on. */
import { statSync } from 'node:fs';
import { CrosswalkError } from '../errors.ts';
import { knownRoster, type DirectoryOptions } from './directory.ts';
import { inputOf, linesOf, mapLine, write } from './lines.ts';
import { mappingOf } from './one-mapping.ts';
import { exits, jsonLine, warn } from './output.ts';
import { Bar } from './progress.ts';
import type { Common } from './program.ts';
import { tellWhy } from './why.ts';

export const map = async (
  options: DirectoryOptions & Common & { file?: string; reverse?: boolean; why?: boolean },
  name: string,
): Promise<number> => {
  const mapping = await mappingOf(options.dir, name);
  if (options.why === true) {
    if (options.reverse === true)
      throw new CrosswalkError('usage', { detail: '--why goes with reading, not with --reverse' });
    return tellWhy(options, mapping);
  }
  const { router } = mapping.lens;
  const roster = router === undefined ? undefined : await knownRoster(options, router);
  let bad = 0;
  let bytes = 0;
  const size =
    options.file === undefined ? null : (statSync(options.file, { throwIfNoEntry: false })?.size ?? null);
  // On a terminal that also shows the output, a bar would be in its way.
  const bar = new Bar(process.stdout.isTTY === true);
  for await (const line of linesOf(await inputOf(options.file))) {
    bytes += (line.text?.length ?? 0) + 1;
    bar.show(bytes, size, `line ${line.number}, ${bad} with problems`);
    if (line.text?.trim() === '') continue;
    const { value, problems, notes = [] } = await mapLine(line, mapping, options.reverse === true, roster);
    if (problems.length > 0) bad += 1;
    if (options.json)
      await write(
        jsonLine({
          line: line.number,
          ...(value === undefined ? {} : { value }),
          problems,
          ...(notes.length === 0 ? {} : { notes }),
        }),
      );
    else {
      for (const { pointer, message } of problems)
        warn(`line ${line.number} ${pointer === '' ? '' : `${pointer}: `}${message}`);
      for (const { pointer, message } of notes) warn(`line ${line.number} ${pointer}: note: ${message}`);
      if (value !== undefined) await write(jsonLine(value));
    }
  }
  bar.end();
  return bad > 0 ? exits.wrong : exits.ok;
};
