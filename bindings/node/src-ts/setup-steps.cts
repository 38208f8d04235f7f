// The steps of the set-up in Salesforce as data.
import type { SetupStep } from './errors.cjs'
import { native } from './loader.cjs'

/** A step of the set-up in Salesforce: what an error's `setupStep` names. */
export interface SetupStepDetails {
  /** Its stable name. */
  readonly name: SetupStep
  /** What is done, in a few words. */
  readonly title: string
  /** Where in Salesforce's Setup it is done. */
  readonly path: string
  /** How it is done: a few sentences for a person in front of Salesforce's Setup. */
  readonly text: string
}

/** The six steps of the set-up in their order, for forms of your own. */
export function setupSteps(): readonly SetupStepDetails[] {
  return Object.freeze(
    native()
      .setupSteps()
      .map((step) => Object.freeze(step as SetupStepDetails)),
  )
}
