/* The project as a picture: what there is, what asks for whom, and what depends on what. */

import {adjust, format} from "../address.js";
import {path, useAnswer} from "../ask.js";
import {html} from "../html.js";
import {Name} from "../names.js";
import {count} from "../numbers.js";
import {Trouble} from "../trouble.js";
import {Card} from "./card.js";
import {Detail} from "./detail.js";

const PAGE = 12;
const KINDS = {
  flag: "flags",
  experiment: "experiments",
  audience: "audiences",
  group: "groups",
  holdout: "holdouts",
  event: "events",
};

function Kinds({asked, kind, counts}) {
  return html`<nav class="kinds" aria-label="Kinds">
    ${Object.entries(KINDS).map(
      ([each, plural]) =>
        html`<a
          href=${format("project", {...asked, kind: each, offset: undefined, show: undefined, id: undefined})}
          aria-current=${each === kind ? "true" : null}
        >
          ${plural} <span class="soft">${count(counts[plural] ?? 0)}</span>
        </a>`,
    )}
  </nav>`;
}

function Pages({asked, offset, total}) {
  const at = (place) => format("project", {...asked, offset: place ? String(place) : undefined});
  return (
    total > PAGE &&
    html`<nav class="pages" aria-label="Pages">
      ${offset > 0 ? html`<a href=${at(Math.max(0, offset - PAGE))}>← Before</a>` : html`<span></span>`}
      <span class="soft">${count(offset + 1)}–${count(Math.min(total, offset + PAGE))} of ${count(total)}</span>
      ${offset + PAGE < total ? html`<a href=${at(offset + PAGE)}>Next →</a>` : html`<span></span>`}
    </nav>`
  );
}

function Diagnostics({of}) {
  return (
    of.length > 0 &&
    html`<details class="panel diagnostics">
      <summary><b>${count(of.length)}</b> things in this datafile were given up on</summary>
      <ul>
        ${of.map(
          ({severity, message, pointer}) =>
            html`<li>
              <span class=${severity === "error" ? "tag wrong" : "tag"}>${severity}</span>
              <bdi>${message}</bdi> <bdi class="code small soft">${pointer}</bdi>
            </li>`,
        )}
      </ul>
    </details>`
  );
}

function Listed({asked, kind}) {
  const {environment, q} = asked;
  const offset = Math.max(0, Math.floor(Number(asked.offset ?? 0)) || 0);
  const {data, error} = useAnswer(path("list", {environment, q, kind, offset, limit: PAGE}));
  const search = (event) => adjust("project", {...asked, q: event.target.value, offset: undefined});
  return html`
    <label class="search">
      <span class="unseen">Search ${KINDS[kind]}</span>
      <input type="search" placeholder=${`Search ${KINDS[kind]}`} value=${q ?? ""} onInput=${search} />
    </label>
    ${error && html`<${Trouble} error=${error} />`}
    <p class="unseen" role="status">${data && `${count(data.total)} found`}</p>
    <div class="cards">
      ${data?.items.map(
        (item) =>
          html`<${Card} key=${`${item.kind} ${item.id ?? item.key}`} item=${item} asked=${asked} />`,
      )}
    </div>
    ${data?.total === 0 && html`<p class="soft">There are none${q ? html` with “<bdi>${q}</bdi>”` : ""}.</p>`}
    ${data && html`<${Pages} asked=${asked} offset=${offset} total=${data.total} />`}
  `;
}

export function Project({asked, project}) {
  const {show, id} = asked;
  const kind = Object.hasOwn(KINDS, asked.kind) ? asked.kind : "flag";
  return html`
    <header class="project-head">
      <p class="soft">
        Project <b><${Name} of=${project.project_id} /></b>, account
        ${" "}<b><${Name} of=${project.account_id} /></b>${" "}
        ${project.environment_key && html`· environment <b><${Name} of=${project.environment_key} /></b>`}
      </p>
      <${Kinds} asked=${asked} kind=${show ? null : kind} counts=${project.counts} />
    </header>
    <${Diagnostics} of=${project.diagnostics} />
    ${
      show && id !== undefined
        ? html`<${Detail} key=${`${show} ${id}`} kind=${show} id=${id} asked=${asked} />`
        : html`<${Listed} asked=${asked} kind=${kind} />`
    }
  `;
}
