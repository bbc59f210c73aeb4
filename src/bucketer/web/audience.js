/* An audience as a tree: what is asked, what the visitor has, and whether that is true. */

import {html} from "./html.js";
import {Name} from "./names.js";

const SIGNS = {TRUE: "✓", FALSE: "✗", UNKNOWN: "?"};
const WORDS = {TRUE: "true", FALSE: "false", UNKNOWN: "unknown"};

/** An outcome by colour and by sign, and by word for those who listen. */
export function Outcome({of}) {
  return html`<span class=${`outcome ${WORDS[of]}`}
    ><span aria-hidden="true">${SIGNS[of]}</span><span class="unseen">${WORDS[of]}</span></span
  >`;
}

function Node({node}) {
  const parts = node.children ?? [];
  return html`<li class=${`node ${node.kind} ${WORDS[node.outcome] ?? ""}`}>
    <div class="said">
      ${node.outcome && html`<${Outcome} of=${node.outcome} />`}
      <div>
        <span class="asked">
          ${
            node.kind === "audience"
              ? html`<${Name} of=${node.name ?? node.id} />`
              : html`<bdi>${node.text ?? `unknown audience ${node.id}`}</bdi>`
          }
        </span>
        ${node.why && html`${" "}<bdi class="why soft">${node.why}</bdi>`}
      </div>
    </div>
    ${parts.length > 0 && html`<${Tree} of=${parts} />`}
  </li>`;
}

/** The nodes `of` a tree, with or without a visitor. */
export function Tree({of}) {
  return html`<ul class="tree">
    ${of.map((node) => html`<${Node} node=${node} />`)}
  </ul>`;
}
