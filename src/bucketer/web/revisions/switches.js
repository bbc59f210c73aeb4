/* Who moves from which variation to which, of one key: those who stay last, and paler. */

import {format, textOf} from "../address.js";
import {html} from "../html.js";
import {Name} from "../names.js";
import {count, percent} from "../numbers.js";

/** Whether they see what they saw; which rule gives it is nobody's to see. */
const same = ({from, to}) => from.variation === to.variation && from.enabled === to.enabled;

function Got({of}) {
  if (of.variation === null) {
    return html`<span class="soft">no variation</span>`;
  }
  return html`<b><${Name} of=${of.variation} /></b> ${of.rule !== null && html`<span class="small soft"><${Name} of=${of.rule} /></span>`}`;
}

function Move({move, visitors, link}) {
  const share = move.count / visitors;
  return html`<tr class=${same(move) ? "stays" : ""}>
    <td><${Got} of=${move.from} /></td>
    <td aria-hidden="true">→</td>
    <td><${Got} of=${move.to} /></td>
    <td class="drawn"><div class="bar"><i class=${same(move) ? "hole" : "tint0"} style=${{width: `${share * 100}%`}}></i></div></td>
    <td class="number">${count(move.count)}</td>
    <td class="number soft">${percent(share)}</td>
    <td class="small">
      ${move.examples.slice(0, 2).map((each) => html`<a href=${link(each)}><${Name} of=${each.user} /></a> `)}
    </td>
  </tr>`;
}

const MISSING = {from: "is new", to: "is gone"};

export function Switches({of, asked}) {
  const {kind, key, visitors, switched, missing_in: missing, moves} = of;
  const {environment} = asked;
  const link = ({user, attributes}) =>
    format("visitor", {environment, [kind]: key, user, attributes: textOf(attributes)});
  const ordered = [...moves].sort(
    (one, other) => same(one) - same(other) || other.count - one.count,
  );
  return html`<section class="panel switches">
    <header class="heading">
      <h3><span class="label">${kind}</span> <${Name} of=${key} /></h3>
      <p><b>${count(switched)}</b> <span class="soft">of ${count(visitors)} switch (${percent(switched / (visitors || 1))})</span></p>
    </header>
    ${missing && html`<p class="hint">This ${kind} ${MISSING[missing]}.</p>`}
    <div class="wide" tabindex="0" role="region" aria-label=${`Moves of ${key}`}>
      <table class="moves">
        <thead>
          <tr>
            <th scope="col">From</th>
            <th><span class="unseen">to</span></th>
            <th scope="col">To</th>
            <th scope="col"><span class="unseen">Share as a bar</span></th>
            <th scope="col" class="number">Visitors</th>
            <th scope="col" class="number">Share</th>
            <th scope="col">Such as</th>
          </tr>
        </thead>
        <tbody>
          ${ordered.map((move) => html`<${Move} move=${move} visitors=${visitors} link=${link} />`)}
        </tbody>
      </table>
    </div>
  </section>`;
}
