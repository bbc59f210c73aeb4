/* What the visitor gets: the variation, its variables, and the sentence that says why. */

import {html} from "../html.js";
import {Name, Value} from "../names.js";

export function Variables({of}) {
  const named = Object.entries(of ?? {});
  if (named.length === 0) {
    return null;
  }
  return html`<dl class="variables">
    ${named.map(
      ([name, value]) =>
        html`<div>
          <dt><${Name} of=${name} /></dt>
          <dd><${Value} of=${value} /></dd>
        </div>`,
    )}
  </dl>`;
}

export function Answer({answer, tints}) {
  const {decision, sentence, hints = [], user} = answer;
  const tint = tints.get(decision.variation);
  const nothing = decision.variation === null;
  return html`<section class="panel answer" aria-label="Answer">
    <p class="label"><${Name} of=${user} code=${true} /> gets</p>
    <p class="headline">
      <i class=${nothing ? "dot hole" : `dot ${tint ?? ""}`}></i>
      ${nothing ? html`<span class="soft">no variation</span>` : html`<${Name} of=${decision.variation} />`}
      ${
        !nothing &&
        typeof decision.enabled === "boolean" &&
        html`<span class=${decision.enabled ? "tag on" : "tag"}>${decision.enabled ? "on" : "off"}</span>`
      }
    </p>
    <p class="sentence" role="status"><bdi>${sentence}</bdi></p>
    ${decision.error && html`<p class="trouble"><bdi>${decision.error}</bdi></p>`}
    ${hints.map((each) => html`<p class="hint"><bdi>${each}</bdi></p>`)}
    <${Variables} of=${decision.variables} />
  </section>`;
}
