/* Counted shares as bars, with a mark where each was expected to end. */

import {html} from "../html.js";
import {Name, Value} from "../names.js";
import {count, percent} from "../numbers.js";

/** A split without the arms that nobody is in nor should be. */
export function occupied(split) {
  const kept = split.arms.map(({count: many, expected}) => many > 0 || expected !== 0);
  const only = (arms) => arms.filter((_, at) => kept[at]);
  const groups = split.groups?.map((group) => ({...group, arms: only(group.arms)}));
  return {...split, arms: only(split.arms), groups};
}

function Bar({share, expected, tint}) {
  return html`<div class="bar">
    <i class=${tint ?? "hole"} style=${{width: `${share * 100}%`}}></i>
    ${
      expected !== null &&
      expected !== undefined &&
      html`<b class="mark" style=${{left: `${expected * 100}%`}}></b>`
    }
  </div>`;
}

function Arm({arm}) {
  return html`<span class="arm">
    ${arm.variation === null ? html`<span class="soft">no variation</span>` : html`<${Name} of=${arm.variation} />`}
    ${arm.rule !== null && html`<span class="small soft"><${Name} of=${arm.rule} /></span>`}
  </span>`;
}

export function Bars({arms, tints}) {
  return html`<table class="bars">
    <thead>
      <tr>
        <th scope="col">Variation</th>
        <th scope="col" class="number">Visitors</th>
        <th scope="col" class="number">Share</th>
        <th scope="col" class="number">Expected</th>
      </tr>
    </thead>
    <tbody>
      ${arms.map(
        (arm) =>
          html`<tr>
            <th scope="row">
              <${Arm} arm=${arm} />
              <${Bar} share=${arm.share} expected=${arm.expected} tint=${tints.get(arm.variation)} />
            </th>
            <td class="number">${count(arm.count)}</td>
            <td class="number">${percent(arm.share)}</td>
            <td class="number soft">${arm.expected === null ? "–" : percent(arm.expected)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function Stack({group, tints}) {
  return html`<div class="stack" aria-hidden="true">
    ${group.arms.map(
      ({variation, share}) =>
        html`<i class=${variation === null ? "hole" : tints.get(variation)} style=${{width: `${share * 100}%`}}></i>`,
    )}
  </div>`;
}

/** The same by each value of an attribute: a row a value, a column a variation. */
export function Groups({groups, by, arms, tints}) {
  return html`<div class="wide" tabindex="0" role="region" aria-label=${`By ${by}`}>
    <table class="groups">
      <caption>By <${Name} of=${by} /></caption>
      <thead>
        <tr>
          <th scope="col"><${Name} of=${by} /></th>
          <th scope="col" class="number">Visitors</th>
          <th scope="col"><span class="unseen">Shares as a bar</span></th>
          ${arms.map((arm) => html`<th scope="col"><i class=${`dot ${tints.get(arm.variation) ?? "hole"}`}></i><${Arm} arm=${arm} /></th>`)}
        </tr>
      </thead>
      <tbody>
        ${groups.map(
          (group) =>
            html`<tr>
              <th scope="row">${group.missing ? html`<span class="soft">not set</span>` : html`<${Value} of=${group.value} />`}</th>
              <td class="number">${count(group.visitors)}</td>
              <td class="drawn"><${Stack} group=${group} tints=${tints} /></td>
              ${group.arms.map(({share}) => html`<td>${percent(share)}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
