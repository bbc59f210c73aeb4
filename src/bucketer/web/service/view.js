/* How the service is, live: its environments, its events, its requests; the last ten minutes. */

import {useAnswers} from "../ask.js";
import {html} from "../html.js";
import {Name} from "../names.js";
import {age, count, rate} from "../numbers.js";
import {Plot} from "../plot.js";
import {Trouble} from "../trouble.js";
import {levels, rates} from "./series.js";

const EVERY_MS = 2000;
const SPAN_S = 600;
const WORDS = {ok: "It is well", degraded: "It is degraded", no_datafile: "It has no datafile"};
const perSecond = (value) => `${rate(value)} /s`;

const PLOTS = [
  {
    name: "Requests",
    of: (each) => each.requests?.total,
    points: rates,
    show: perSecond,
    tint: "tint0",
  },
  {
    name: "Errors",
    of: (each) => each.requests?.errors,
    points: rates,
    show: perSecond,
    tint: "tint4",
  },
  {
    name: "Events taken",
    of: (each) => each.events?.accepted,
    points: rates,
    show: perSecond,
    tint: "tint2",
  },
  {
    name: "Events sent",
    of: (each) => each.events?.sent,
    points: rates,
    show: perSecond,
    tint: "tint2",
  },
  {
    name: "Events refused",
    of: (each) => each.events?.refused,
    points: rates,
    show: perSecond,
    tint: "tint4",
  },
  {
    name: "Oldest event that waits",
    of: (each) => each.events?.oldest_age_s,
    points: levels,
    show: age,
    tint: "tint1",
  },
];

function Plots({answers}) {
  const told = PLOTS.filter(({of}) => levels(answers, of).length > 0);
  return html`<div class="plots">
    ${told.map(
      ({name, of, points, show, tint}) =>
        html`<${Plot} key=${name} ...${{name, show, tint}} points=${points(answers, of)} span=${SPAN_S} />`,
    )}
  </div>`;
}

function Environments({environments}) {
  return html`<div class="wide panel" tabindex="0" role="region" aria-label="Environments">
    <table>
      <caption>Environments</caption>
      <thead>
        <tr>
          <th scope="col">Environment</th>
          <th scope="col">Revision</th>
          <th scope="col">Source</th>
          <th scope="col" class="number">Age</th>
          <th scope="col" class="number">Refreshes</th>
          <th scope="col" class="number">Failed</th>
          <th scope="col">Trouble</th>
        </tr>
      </thead>
      <tbody>
        ${environments.map(
          ({title, revision, source, age_s: old, refresh}) =>
            html`<tr>
              <th scope="row"><${Name} of=${title} /></th>
              <td>${revision === null ? "–" : html`<${Name} of=${revision} />`}</td>
              <td><${Name} of=${source ?? "–"} /></td>
              <td class="number">${typeof old === "number" ? age(old) : "–"}</td>
              <td class="number">${count(refresh?.refreshes ?? 0)}</td>
              <td class="number">${count(refresh?.failures ?? 0)}</td>
              <td>${refresh?.trouble ? html`<bdi>${refresh.trouble}</bdi>` : html`<span class="soft">none</span>`}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function Totals({of, name, unless}) {
  const told = Object.entries(of ?? {}).filter(([, value]) => typeof value !== "object");
  return html`<section class="panel totals">
    <h2>${name}</h2>
    ${told.length === 0 && html`<p class="soft">${unless}</p>`}
    <dl class="facts">
      ${told.map(
        ([key, value]) =>
          html`<div>
            <dt>${key.replaceAll("_", " ")}</dt>
            <dd>${typeof value === "number" ? rate(value) : String(value)}</dd>
          </div>`,
      )}
    </dl>
  </section>`;
}

export function Service() {
  const {answers, error} = useAnswers("service", EVERY_MS, (SPAN_S * 1000) / EVERY_MS);
  const latest = answers.at(-1);
  if (!latest) {
    return error && html`<${Trouble} error=${error} />`;
  }
  return html`
    <section class=${`panel state ${latest.status}`} aria-label="State">
      <p class="headline" role="status">
        <i class=${latest.status === "ok" ? "lamp lit" : "lamp broken"}></i>
        ${WORDS[latest.status] ?? latest.status}
      </p>
      <p class="soft">
        Bucketer ${latest.version}, up for ${age(latest.uptime_s)}. Asked every ${EVERY_MS / 1000} s.
      </p>
      ${latest.why?.length > 0 && html`<ul>${latest.why.map(({message}) => html`<li class="hint"><bdi>${message}</bdi></li>`)}</ul>`}
      ${error && html`<${Trouble} error=${error} />`}
    </section>
    <${Plots} answers=${answers} />
    <${Environments} environments=${latest.environments} />
    <div class="side-by-side">
      <${Totals} of=${latest.requests} name="Requests" unless="They are counted where BUCKETER_METRICS is on." />
      <${Totals} of=${latest.events} name="Events" unless="None are kept: events are off, or there was none yet." />
    </div>
  `;
}
