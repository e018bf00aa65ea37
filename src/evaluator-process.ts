/**
 * The process in which expressions run: one at a time, as they come. Whatever an expression does here, however long,
 * the program goes on; `evaluator` ends this process when it takes too long or too much.
 */
import { evaluated } from './mapping/evaluation.ts';

process.on('message', async ({ text, input }: { readonly text: string; readonly input: unknown }) => {
  process.send?.(await evaluated(text, input));
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
