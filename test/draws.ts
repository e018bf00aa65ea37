/**
 * Laws are tried with draws of their own each time, so that many runs try more than one does. Not in CI: what fails there
 * must come from the change, and fail again. `DRAWS=<number>` repeats a course that a failure has told.
 */
import * as fc from 'fast-check';

const told = process.env['DRAWS'] ?? (process.env['CI'] === 'true' ? '20261127' : undefined);
if (told !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(told) });
