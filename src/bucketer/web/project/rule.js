/* One rule as a row of the picture: who it is for, and which traffic it gives to which variation. */

import {html} from "../html.js";
import {Line} from "../line.js";
import {Name} from "../names.js";
import {percent} from "../numbers.js";
import {All, To} from "./links.js";

export const rangesOf = ({traffic}) =>
  traffic.ranges.map(({start, end, variation}) => ({start, end, name: variation}));

const running = (rule) => rule.running ?? (rule.status === null || rule.status === "Running");

function Title({rule, asked}) {
  const label = rule.everyone_else ? "everyone else" : rule.what;
  const lamp = rule.broken ? "lamp broken" : running(rule) ? "lamp lit" : "lamp";
  const linked = rule.what === "experiment" || rule.what === "holdout";
  return html`<div class="rule-title">
    <i class=${lamp}></i>
    <div>
      <span class="label">${label}${rule.status && !running(rule) && ` · ${rule.status}`}</span>
      ${
        linked
          ? html`<${To} asked=${asked} kind=${rule.what} id=${rule.key} />`
          : html`<${Name} of=${rule.key} />`
      }
    </div>
  </div>`;
}

/** The row. `number`: its place in the order in which rules are looked at. */
export function Rule({rule, tints, asked}) {
  const {audience, traffic, group, holdouts = [], broken} = rule;
  return html`<li class=${running(rule) ? "rule" : "rule idle"}>
    <${Title} rule=${rule} asked=${asked} />
    <div class="rule-audience">
      ${audience && html`<bdi>${audience.everybody ? "everybody" : audience.sentence}</bdi>`}
      ${
        (group || holdouts.length > 0 || broken) &&
        html`<p class="small soft">
          ${group && html`in group <${To} asked=${asked} kind="group" id=${group.id} /> ${typeof group.share === "number" && ` (${percent(group.share)})`} `}
          ${holdouts.length > 0 && html`but for <${All} asked=${asked} kind="holdout" of=${holdouts} />`}
          ${broken && html`<span class="wrong"><bdi>${broken.message ?? broken}</bdi></span>`}
        </p>`
      }
    </div>
    <div class="rule-traffic">
      ${
        traffic &&
        html`<${Line} small ranges=${rangesOf(rule)} tints=${tints} what=${`Traffic of ${rule.key}`} />
          <span class="small number">${percent(traffic.share)}</span>`
      }
    </div>
  </li>`;
}
