/* One thing of the project, small: enough to see what it does, with a link to all of it. */

import {path, useAnswer} from "../ask.js";
import {html} from "../html.js";
import {Legend, Line} from "../line.js";
import {Name} from "../names.js";
import {count, percent} from "../numbers.js";
import {tintsOf, tintsOfRules} from "../tints.js";
import {Trouble} from "../trouble.js";
import {All, To, TryIt} from "./links.js";
import {Rule} from "./rule.js";

/** What the service tells of it; a list has only names. */
function useTold({kind, key, id}, asked) {
  const by = kind === "audience" || kind === "group" ? {id} : {key};
  return useAnswer(path(kind, {...by, environment: asked.environment}));
}

export function Rules({rules, asked}) {
  const tints = tintsOfRules(rules);
  return html`<ol class="rules">
      ${rules.map((rule) => html`<${Rule} key=${`${rule.what} ${rule.key}`} ...${{rule, tints, asked}} />`)}
    </ol>
    <${Colours} tints=${tints} />`;
}

function Colours({tints}) {
  return html`<ul class="legend">
    ${[...tints].map(([name, tint]) => html`<li><i class=${`dot ${tint}`}></i><bdi class="name">${name}</bdi></li>`)}
  </ul>`;
}

function Flag({item, asked}) {
  const {data, error} = useTold(item, asked);
  if (error) {
    return html`<${Trouble} error=${error} />`;
  }
  return data && html`<${Rules} rules=${[...data.holdouts, ...data.rules]} asked=${asked} />`;
}

function Single({item, asked}) {
  const {data, error} = useTold(item, asked);
  if (error) {
    return html`<${Trouble} error=${error} />`;
  }
  const rule = data && {what: item.kind, ...data};
  return rule && html`<${Rules} rules=${[rule]} asked=${asked} />`;
}

function Group({item, asked}) {
  const {data, error} = useTold(item, asked);
  if (!data) {
    return error && html`<${Trouble} error=${error} />`;
  }
  const ranges = data.ranges.map(({start, end, experiment}) => ({start, end, name: experiment}));
  const tints = tintsOf(ranges.map(({name}) => name));
  return html`<${Line} ranges=${ranges} tints=${tints} what=${`Traffic of group ${data.id}`} />
    <${Legend} ranges=${ranges} tints=${tints} />
    <p class="small"><${All} asked=${asked} kind="experiment" of=${data.experiments} /></p>`;
}

function Audience({item}) {
  return html`<p><bdi>${item.sentence}</bdi></p>
    <p class="small soft">${item.used_by === 1 ? "one rule asks for it" : `${count(item.used_by)} rules ask for it`}</p>`;
}

function Event({item}) {
  return html`<p class="small soft">conversions, by id <${Name} of=${item.id} /></p>`;
}

const INSIDE = {
  flag: Flag,
  experiment: Single,
  holdout: Single,
  group: Group,
  audience: Audience,
  event: Event,
};

export function Card({item, asked}) {
  const {kind, key, id, status, broken} = item;
  const Inside = INSIDE[kind];
  const by = kind === "audience" || kind === "group" ? id : key;
  return html`<article class=${`panel card ${kind}-card`}>
    <header class="heading">
      <h2>
        ${kind === "event" ? html`<bdi class="name">${key}</bdi>` : html`<${To} asked=${asked} kind=${kind} id=${by} name=${kind === "group" ? `Group ${key || id}` : key} />`}
        ${status && html`<span class=${`tag ${["on", "Running"].includes(status) ? "on" : ""} ${status === "broken" ? "wrong" : ""}`}>${status}</span>`}
        ${kind === "holdout" && html`<span class="tag">${percent(item.share)}</span>`}
      </h2>
      ${(kind === "flag" || kind === "experiment") && html`<${TryIt} asked=${asked} kind=${kind} id=${key} />`}
    </header>
    ${broken && html`<p class="wrong"><bdi>${broken.message ?? broken}</bdi></p>`}
    <${Inside} item=${item} asked=${asked} />
  </article>`;
}
