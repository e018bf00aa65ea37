/** The verb that tries a configuration, and what it says of itself. */
import type { Verb } from './program.ts';

const help = `
It runs the engine over models of the systems that crosswalk.yaml names, with your syncs, mappings, keys, roles and
policies, every sync as if it were live. Nothing is sent, and your store is not opened. A model holds objects of its
kind's shape, can do what the connector can, and makes of values what the mapping declares under "remote".
People file the same thing in two systems, edit, clear and delete; hooks get lost, late or doubled; requests are
refused (429), cut before or after they took effect; the process dies and starts again.
Not modelled: references between records, routing tables, budgets, notices, how fast an account may be called, and
whatever a remote does that no mapping declares, but for --habit.

Per field it tells the edits of people there; how many of 100 would ask a person; edits that were put back (a role, a
protected field, a clearing); values that mapping or remote refused; writes that did not stay, or were undone by a person
before anybody saw them; how often a value came back and was stopped; and, with nothing failing, writes there per edit
elsewhere (1 is the least; what is put back counts too).

Exit code 1: it did not come to rest, a field never settles (it goes back and forth, or one edit alone, with nothing
failing, asks a person), it differs between systems with nobody asked, an object was made twice, or the books do not
balance.
Conflicts that ask a person are told, and are no failure.`;

export const simulating = (verb: Verb): void => {
  verb(
    'simulate',
    'what this configuration leads to, over models of its systems',
    async () => (await import('./simulating.ts')).simulate,
  )
    .option('--seed <n>', 'the first seed; the same seed makes the same course', '1')
    .option('--seeds <n>', 'how many courses', '10')
    .option('--steps <n>', 'how long each is', '200')
    .option('--habit <sync=habit...>', 'a remote that does to text what no mapping says: trim, lower, upper')
    .addHelpText('after', help);
};
