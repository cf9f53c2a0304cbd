/** Which model is fitted: `fit=` of the address, and the box that chooses it. */
import { FIT_MODELS, type FitModel } from "../xpcs/bin-fits.js";
import { place, setQuery } from "./place.js";

function isModel(text: string | null): text is FitModel {
  return text !== null && Object.hasOwn(FIT_MODELS, text);
}

/** That of the address; else a single exponential. */
export function chosenModel(): FitModel {
  const asked = place.value.query.get("fit");
  return isModel(asked) ? asked : "single";
}

/** The box, with its label. */
export function FitChoice() {
  return (
    <>
      <label for="fit">Fit</label>
      <select id="fit" value={chosenModel()} onChange={({ currentTarget }) => setQuery({ fit: currentTarget.value })}>
        {Object.entries(FIT_MODELS).map(([key, title]) => (
          <option key={key} value={key}>
            {title}
          </option>
        ))}
      </select>
    </>
  );
}
