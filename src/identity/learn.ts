/** From a table to what it teaches, and to what is needed to use that on it. */
import { blocksOf, mostInBlock, type Blocks } from './blocks.ts';
import { evidenceOf, type Progress } from './evidence.ts';
import { fit, type Fit } from './fit.ts';
import { modelOf, rarities, raritiesFrom, type Model } from './model.ts';
import { choosePasses, Hashes } from './passes.ts';
import { Scorer } from './score.ts';
import { contentOrder, type Table } from './table.ts';

export interface Learnt {
  readonly model: Model;
  readonly blocks: Blocks;
  readonly scorer: Scorer;
  /** Of the candidates, if all of them were compared to learn: what `findPairs` need not compare again. */
  readonly levels: Uint8Array | null;
  /** How learning went; null of a model that was brought along. */
  readonly fit: Fit | null;
}

/** Learns a model of a table, without labels. The same records in any order give the same model. */
export const learn = (table: Table, tell: Progress = () => undefined): Learnt => {
  const order = contentOrder(table);
  const hashes = new Hashes(table);
  const passes = choosePasses(table, hashes, order, mostInBlock);
  const blocks = blocksOf(table, hashes, passes);
  const { evidence, levels } = evidenceOf(table, order, blocks, tell);
  const fitted = fit(table.fields, evidence);
  const model = modelOf(table, passes, fitted);
  return { model, blocks, scorer: new Scorer(table, model, rarities(table, fitted)), levels, fit: fitted };
};

/** Makes a model ready for another table of the same fields. */
export const use = (table: Table, model: Model): Learnt => ({
  model,
  blocks: blocksOf(table, new Hashes(table), model.passes),
  scorer: new Scorer(table, model, raritiesFrom(table, model)),
  levels: null,
  fit: null,
});
