/* One thing of the project, whole: what it is, what it needs, and what needs it. */

import {format} from "../address.js";
import {path, useAnswer} from "../ask.js";
import {Tree} from "../audience.js";
import {html} from "../html.js";
import {Legend, Line} from "../line.js";
import {Name, Value} from "../names.js";
import {count} from "../numbers.js";
import {tintsOfRules} from "../tints.js";
import {Trouble} from "../trouble.js";
import {Variables} from "../visitor/answer.js";
import {Card, Rules} from "./card.js";
import {columnsOfAudience, columnsOfFlag, columnsOfRule} from "./columns.js";
import {Dependencies} from "./dependencies.js";
import {All, To, TryIt} from "./links.js";
import {rangesOf} from "./rule.js";

function Variations({of, tints}) {
  return html`<ul class="variations">
    ${of.map(
      ({key, enabled, variables}) =>
        html`<li>
          <p>
            <i class=${`dot ${tints.get(key) ?? "hole"}`}></i><b><${Name} of=${key} /></b>
            ${typeof enabled === "boolean" && html`<span class=${enabled ? "tag on" : "tag"}>${enabled ? "on" : "off"}</span>`}
          </p>
          <${Variables} of=${variables} />
        </li>`,
    )}
  </ul>`;
}

function Whitelist({of}) {
  return (
    of?.count > 0 &&
    html`<div class="part">
      <h4>Whitelist: ${count(of.count)}</h4>
      <dl class="variables">
        ${of.users.map(({user, variation}) => html`<div><dt><${Name} of=${user} /></dt><dd><${Name} of=${variation} /></dd></div>`)}
      </dl>
    </div>`
  );
}

function WholeRule({rule, tints, asked}) {
  const {what, key, audience, traffic, variations = [], whitelist, group, holdouts = []} = rule;
  return html`<section class="panel whole">
    <h3>
      <span class="label">${rule.everyone_else ? "everyone else" : what}</span>
      ${what === "experiment" ? html`<${To} asked=${asked} kind="experiment" id=${key} />` : html`<${Name} of=${key} />`}
    </h3>
    ${
      audience &&
      html`<div class="part">
        <h4>Audience</h4>
        ${audience.everybody ? html`<p>everybody</p>` : html`<${Tree} of=${[audience.tree]} />`}
        ${audience.audiences?.length > 0 && html`<p class="small">of <${All} asked=${asked} kind="audience" of=${audience.audiences} /></p>`}
      </div>`
    }
    ${
      traffic &&
      html`<div class="part">
        <h4>Traffic</h4>
        <${Line} ranges=${rangesOf(rule)} tints=${tints} what=${`Traffic of ${key}`} />
        <${Legend} ranges=${rangesOf(rule)} tints=${tints} />
      </div>`
    }
    ${group && html`<p class="small">In group <${To} asked=${asked} kind="group" id=${group.id} /></p>`}
    ${holdouts.length > 0 && html`<p class="small">Held out: <${All} asked=${asked} kind="holdout" of=${holdouts} /></p>`}
    <${Variations} of=${variations} tints=${tints} />
    <${Whitelist} of=${whitelist} />
  </section>`;
}

function Defaults({of}) {
  return (
    of.length > 0 &&
    html`<section class="panel">
      <h3>Variables</h3>
      <table>
        <thead><tr><th scope="col">Key</th><th scope="col">Type</th><th scope="col">Unless a variation says otherwise</th></tr></thead>
        <tbody>
          ${of.map((each) => html`<tr><th scope="row"><${Name} of=${each.key} /></th><td>${each.type}</td><td><${Value} of=${each.default} /></td></tr>`)}
        </tbody>
      </table>
    </section>`
  );
}

function Flag({told, asked}) {
  const rules = [...told.holdouts, ...told.rules];
  const tints = tintsOfRules(rules);
  return html`<${Dependencies} columns=${columnsOfFlag(told)} asked=${asked} />
    <section class="panel" aria-label="Rules in order"><${Rules} rules=${rules} asked=${asked} /></section>
    <${Defaults} of=${told.variables} />
    ${rules.map((rule) => html`<${WholeRule} rule=${rule} tints=${tints} asked=${asked} />`)}`;
}

function Single({told, asked}) {
  const rule = {what: told.kind, ...told};
  const flags = told.flags ?? told.rules?.map(({flag}) => flag) ?? [];
  return html`<${Dependencies} columns=${columnsOfRule(rule, flags)} asked=${asked} />
    <${WholeRule} rule=${rule} tints=${tintsOfRules([rule])} asked=${asked} />
    ${told.kind === "holdout" && told.rules === null && html`<p class="soft">Holds out of every flag.</p>`}`;
}

function Audience({told, asked}) {
  const {used_by: users, used_by_total: total} = told;
  return html`<${Dependencies} columns=${columnsOfAudience(told)} asked=${asked} />
    <section class="panel">
      <h3>Conditions</h3>
      <${Tree} of=${[told.tree]} />
    </section>
    ${users.length === 0 && html`<p class="soft">No rule asks for it.</p>`}
    ${total > users.length && html`<p class="small soft">${count(total)} rules ask for it.</p>`}`;
}

const Group = ({told, asked}) => html`<${Card} item=${{...told, key: told.id}} asked=${asked} />`;

const WHOLE = {flag: Flag, experiment: Single, holdout: Single, audience: Audience, group: Group};

export function Detail({kind, id, asked}) {
  const Whole = Object.hasOwn(WHOLE, kind) ? WHOLE[kind] : null;
  const by = kind === "audience" || kind === "group" ? {id} : {key: id};
  const {data, error} = useAnswer(
    Whole ? path(kind, {...by, environment: asked.environment}) : null,
  );
  const back = format("project", {...asked, show: undefined, id: undefined});
  return html`
    <header class="heading">
      <div>
        <p class="small"><a href=${back}>← All of the project</a></p>
        <h2><span class="label">${kind}</span> <${Name} of=${data?.name ?? data?.key ?? id} /></h2>
      </div>
      ${(kind === "flag" || kind === "experiment") && html`<${TryIt} asked=${asked} kind=${kind} id=${id} />`}
    </header>
    ${error && html`<${Trouble} error=${error} />`}
    ${data && html`<div class="detail"><${Whole} told=${data} asked=${asked} /></div>`}
  `;
}
