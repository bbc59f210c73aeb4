/* Keys and values from a datafile: anybody's text, in any direction, of any length. */

import {html} from "./html.js";

/** A key, apart from the direction of what stands around it. */
export function Name({of, code = false}) {
  const text = of === "" ? "(empty)" : String(of);
  return html`<bdi class=${code ? "name code" : "name"}>${text}</bdi>`;
}

/** A value as JSON has it, so that `"5"` and `5` differ to the eye. */
export function Value({of}) {
  return html`<bdi class="value code">${JSON.stringify(of)}</bdi>`;
}
