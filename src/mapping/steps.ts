import type { Json } from '../connector.ts';
import { addressSteps } from './addresses.ts';
import { amountSteps } from './amounts.ts';
import { composedSteps } from './composed.ts';
import { expression } from './expressions.ts';
import { identifierSteps } from './identifiers.ts';
import { listSteps } from './lists.ts';
import { nameSteps } from './names.ts';
import { phoneArea } from './phone-areas.ts';
import { phone } from './phones.ts';
import { scalarSteps } from './scalars.ts';
import type { Step, StepClass } from './step.ts';
import { tableSteps } from './tables.ts';
import { textSteps } from './texts.ts';
import { date, time } from './times.ts';

/** The one table of steps. `forward` reads the remote's value, `backward` writes it. */

/** Grows when a step comes to mean something else: it is part of every mapping's hash. */
export const STEPS_REVISION = 2;

const STEPS: Readonly<Record<string, Step>> = {
  ...textSteps,
  ...scalarSteps,
  ...tableSteps,
  phone,
  'phone-area': phoneArea,
  expression,
  time,
  date,
  ...amountSteps,
  ...identifierSteps,
  ...nameSteps,
  ...composedSteps,
  ...addressSteps,
  ...listSteps((name) => stepNamed(name)),
};

export const stepNames: readonly string[] = Object.keys(STEPS);

/** The step of this name, or undefined. */
export const stepNamed = (name: string): Step | undefined =>
  Object.hasOwn(STEPS, name) ? STEPS[name] : undefined;

/** The class of a step with its argument. */
export const classOf = (step: Step, arg: Json | undefined): StepClass =>
  typeof step.class === 'function' ? step.class(arg) : step.class;
