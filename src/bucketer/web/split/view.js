/* The split: many invented visitors, or pasted ones, as bars beside the shares that are expected. */

import {adjust} from "../address.js";
import {ask, path, useAnswer} from "../ask.js";
import {Form} from "../form.js";
import {html} from "../html.js";
import {count} from "../numbers.js";
import {Picker, useChoice} from "../picker.js";
import {tintsOfAbout} from "../tints.js";
import {Trouble} from "../trouble.js";
import {useEffect, useState} from "../vendor/preact-hooks.js";
import {addressOf, visitorOf} from "../visitor/view.js";
import {Bars, Groups, occupied} from "./bars.js";

const MOST = 10_000;
const PAUSE_MS = 200;

/** A value once it has stayed the same for a while: ten thousand decisions are no key press's. */
function useCalm(value) {
  const text = JSON.stringify(value);
  const [calm, set] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => set(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return JSON.parse(calm);
}

/** The ids that somebody pasted: one a line. */
function pasted(text) {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function Whom({asked, fields, change, ids, paste}) {
  const visitors = asked.visitors ?? String(MOST);
  return html`
    <label class="field">
      <span class="label">Visitors</span>
      <input
        type="number"
        min="1"
        max=${MOST}
        value=${visitors}
        disabled=${ids !== ""}
        onInput=${(event) => change({visitors: event.target.value})}
      />
    </label>
    <label class="field">
      <span class="label">By attribute</span>
      <select onChange=${(event) => change({by: event.target.value || undefined})}>
        <option value="">all alike</option>
        ${fields.map(({name}) => html`<option value=${name} selected=${name === asked.by}>${name}</option>`)}
      </select>
    </label>
    <details class="field">
      <summary class="label">Paste user ids instead</summary>
      <label>
        <span class="unseen">User ids, one a line</span>
        <textarea rows="5" class="code" placeholder="one a line" value=${ids} onInput=${(event) => paste(event.target.value)}></textarea>
      </label>
    </details>
  `;
}

/** Save a table of all visitors, as a file of the browser's. */
async function download(question, name) {
  const table = await ask("split", {body: {...question, format: "csv"}, raw: true});
  const link = document.createElement("a");
  link.href = URL.createObjectURL(table);
  link.download = `${name.replace(/[^\w.-]+/g, "_")}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function Result({answer, question, choice, tints}) {
  const [failed, fail] = useState(null);
  const {error, waiting} = answer;
  const data = answer.data && occupied(answer.data);
  if (error) {
    return html`<${Trouble} error=${error} />`;
  }
  if (!data) {
    return html`<p class="soft" role="status">Deciding…</p>`;
  }
  const press = () => download(question, `split-${choice.key}`).then(() => fail(null), fail);
  return html`<section class="panel counted" aria-labelledby="split" aria-busy=${String(waiting)}>
    <header class="heading">
      <h2 id="split">${count(data.visitors)} visitors</h2>
      <button type="button" onClick=${press}>Download as a table</button>
    </header>
    ${failed && html`<${Trouble} error=${failed} />`}
    <${Bars} arms=${data.arms} tints=${tints} />
    ${data.groups && html`<${Groups} groups=${data.groups} by=${data.by} arms=${data.arms} tints=${tints} />`}
  </section>`;
}

export function Split({asked, project}) {
  const [ids, paste] = useState("");
  const choice = useChoice(asked);
  const shown = choice ? {...asked, [choice.kind]: choice.key} : asked;
  const {environment, by} = asked;
  const about = useAnswer(choice && path(choice.kind, {key: choice.key, environment}));
  const visitor = visitorOf(asked);
  const {attributes, segments} = visitor;
  const named = pasted(ids);
  const many = Math.min(MOST, Math.max(1, Math.floor(Number(asked.visitors ?? MOST)) || 1));
  const whom = named.length ? {ids: named} : {visitors: many};
  const question = useCalm(
    choice && {[choice.kind]: choice.key, environment, attributes, segments, by, ...whom},
  );
  const answer = useAnswer(question && "split", question ?? undefined);
  const say = (other) => adjust("split", {...shown, ...other});
  const change = (other) => {
    const {attributes: said, segments: named} = addressOf({...visitor, ...other});
    say({attributes: said, segments: named});
  };
  const fields = about.data?.fields ?? [];
  return html`
    <${Picker} view="split" asked=${shown} />
    <${Form}
      who=${false}
      visitor=${visitor}
      fields=${fields.filter(({name}) => name !== by)}
      segments=${about.data?.segments ?? []}
      known=${project.attributes}
      change=${change}
    >
      <${Whom} ...${{asked, fields, ids, paste}} change=${say} />
    <//>
    <${Result} ...${{answer, question, choice}} tints=${tintsOfAbout(about.data)} />
  `;
}
