/** The sentence about values of g2 without an error, for the commands that show them. */

/** Photon pairs below which the default convention states no error (docs/errors.md). */
export const PAIRS_FOR_ERROR = 20;

/** How many values of g2 have no error for want of pairs. */
export const fewPairs = (few: number, values: number): string =>
  `${few} of ${values} values have no error: fewer than ${PAIRS_FOR_ERROR} photon pairs stand behind them`;
