/* Keys and values from a datafile: anybody's text, in any direction, of any length. */

import {html} from "./html.js";

/** Longer ones may be cut where they are many; then all of it is a tooltip. */
const LONG = 40;

/** A key, apart from the direction of what stands around it. */
export function Name({of, code = false}) {
  const text = String(of);
  const shown = text.trim() === "" ? JSON.stringify(text) : text;
  const title = text.length > LONG ? text : null;
  return html`<bdi class=${code ? "name code" : "name"} title=${title}>${shown}</bdi>`;
}

/** A value as JSON has it, so that `"5"` and `5` differ to the eye. */
export function Value({of}) {
  return html`<bdi class="value code">${JSON.stringify(of)}</bdi>`;
}
