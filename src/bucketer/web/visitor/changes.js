/* What would have to change for another variation: the nearest first, each to be tried by a click. */

import {html} from "../html.js";
import {Name} from "../names.js";
import {count} from "../numbers.js";

const FEW = 6;

function Gives({gives, tints}) {
  return html`<span class="gives">
    <span aria-hidden="true">→</span><i class=${`dot ${tints.get(gives.variation) ?? "hole"}`}></i>
    ${gives.variation === null ? html`<span class="soft">no variation</span>` : html`<b><${Name} of=${gives.variation} /></b>`}
  </span>`;
}

function Change({change, tints, become}) {
  const said = html`<bdi class="if">${change.text}</bdi><${Gives} gives=${change.gives} tints=${tints} />`;
  return html`<li>
    ${
      change.try
        ? html`<button type="button" class="change" onClick=${() => become(change.try)}>${said}</button>`
        : html`<div class="change fixed" title="Only the datafile can change that">${said}</div>`
    }
  </li>`;
}

export function Changes({changes, tints, become}) {
  if (!changes) {
    return null;
  }
  const {items, complete, why_incomplete: why} = changes;
  const row = (change) => html`<${Change} ...${{change, tints, become}} />`;
  return html`<section class="panel changes" aria-labelledby="changes">
    <h2 id="changes">What would have to change</h2>
    <ul>${items.slice(0, FEW).map(row)}</ul>
    ${
      items.length > FEW &&
      html`<details>
        <summary class="small">${count(items.length - FEW)} more</summary>
        <ul>${items.slice(FEW).map(row)}</ul>
      </details>`
    }
    ${items.length === 0 && html`<p class="soft">Nothing near would give another variation.</p>`}
    ${!complete && html`<p class="small soft"><bdi>${why ?? "There may be more."}</bdi></p>`}
  </section>`;
}
