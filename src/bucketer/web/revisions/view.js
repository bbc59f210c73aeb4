/* Two revisions side by side: what changed, and who among many invented visitors switches. */

import {adjust} from "../address.js";
import {path, useAnswer} from "../ask.js";
import {html} from "../html.js";
import {Name} from "../names.js";
import {count} from "../numbers.js";
import {Trouble} from "../trouble.js";
import {useId} from "../vendor/preact-hooks.js";
import {Switches} from "./switches.js";

function Revision({label, value, revisions, current, choose}) {
  const id = useId();
  const titled = (each) => (each === current ? `${each} (in use)` : each);
  return html`<div class="field">
    <label class="label" for=${id}>${label}</label>
    ${
      revisions
        ? html`<select id=${id} onChange=${(event) => choose(event.target.value)}>
            ${revisions.map((each) => html`<option value=${each} selected=${each === value}>${titled(each)}</option>`)}
          </select>`
        : html`<input id=${id} value=${value} autocomplete="off" onInput=${(event) => choose(event.target.value)} />`
    }
  </div>`;
}

const SIGNS = {added: "+", removed: "−", changed: "~"};

function Change({change}) {
  const {where, what, how, before, after} = change;
  return html`<li class=${`difference ${how}`}>
    <span class="sign" aria-hidden="true">${SIGNS[how] ?? "·"}</span>
    <div>
      <p class="small soft">${where.map((each, at) => html`${at > 0 && " › "}<bdi>${each}</bdi>`)}</p>
      <p><bdi>${what}</bdi> ${how}</p>
      ${
        before !== undefined &&
        after !== undefined &&
        (before !== null || after !== null) &&
        html`<p class="small">
          ${before !== null && html`<del><span class="unseen">before: </span><bdi>${shown(before)}</bdi></del>`}
          ${" "}
          ${after !== null && html`<ins><span class="unseen">after: </span><bdi>${shown(after)}</bdi></ins>`}
        </p>`
      }
    </div>
  </li>`;
}

const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function Compared({answer, asked}) {
  const {data, error, waiting} = answer;
  if (error) {
    return html`<${Trouble} error=${error} />`;
  }
  if (!data) {
    return html`<p class="soft" role="status">Comparing…</p>`;
  }
  const {changes, changes_total: total, keys, keys_left_out: left} = data;
  return html`<div class="compared" aria-busy=${String(waiting)}>
    <section class="panel" aria-labelledby="changed">
      <h2 id="changed">What changed</h2>
      <ul class="differences">${changes.map((change) => html`<${Change} change=${change} />`)}</ul>
      ${total === 0 && html`<p class="soft">Nothing: they decide by the same.</p>`}
      ${total > changes.length && html`<p class="small soft">${count(total - changes.length)} more are not shown.</p>`}
    </section>
    <section aria-labelledby="switch">
      <h2 id="switch">Who switches</h2>
      ${keys.map((key) => html`<${Switches} of=${key} asked=${asked} />`)}
      ${keys.length === 0 && html`<p class="soft">Nobody.</p>`}
      ${left > 0 && html`<p class="small soft">${count(left)} more keys changed; choose one by its address.</p>`}
    </section>
  </div>`;
}

export function Revisions({asked, project}) {
  const {environment} = asked;
  const known = useAnswer(path("revisions", {environment}));
  const {archive, revisions, current} = known.data ?? {};
  const to = asked.to ?? current;
  const from = asked.from ?? revisions?.find((each) => each !== to) ?? "";
  const question = {from, to, environment, visitors: 10_000};
  const answer = useAnswer(archive && from && to ? "compare" : null, question);
  const choose = (name) => (value) => adjust("revisions", {...asked, from, to, [name]: value});
  if (known.error) {
    return html`<${Trouble} error=${known.error} />`;
  }
  if (known.data && !archive) {
    return html`<section class="panel nothing-yet">
      <h2>No archive of revisions is here</h2>
      <p>
        Where <code>BUCKETER_REVISIONS</code> names a directory or a bucket, each revision of the
        datafile is kept, and two of them can be compared here. In use is revision
        ${" "}<b><${Name} of=${project.revision} /></b>.
      </p>
    </section>`;
  }
  return html`
    <form class="which-two" aria-label="Revisions" onSubmit=${(event) => event.preventDefault()}>
      <${Revision} label="From revision" value=${from} ...${{revisions, current}} choose=${choose("from")} />
      <span class="arrow" aria-hidden="true">→</span>
      <${Revision} label="To revision" value=${to} ...${{revisions, current}} choose=${choose("to")} />
    </form>
    <${Compared} answer=${answer} asked=${asked} />
  `;
}
