/* The list of flags and experiments, with a search: which of them is looked at. */

import {format} from "./address.js";
import {path, useAnswer} from "./ask.js";
import {html} from "./html.js";
import {Name} from "./names.js";
import {count} from "./numbers.js";
import {Trouble} from "./trouble.js";
import {useEffect, useMemo, useState} from "./vendor/preact-hooks.js";

const PAGE = 60;

/** The key that an address names: `{kind, key}`, or null. */
export function chosen({flag, experiment}) {
  if (flag !== undefined) {
    return {kind: "flag", key: flag};
  }
  return experiment === undefined ? null : {kind: "experiment", key: experiment};
}

/** The arrows go through the list, and from the search into it. */
function step(event) {
  const by = {ArrowDown: 1, ArrowUp: -1}[event.key];
  if (!by) {
    return;
  }
  const stops = [...event.currentTarget.querySelectorAll("input, li a")];
  const next = stops[stops.indexOf(document.activeElement) + by];
  if (next) {
    event.preventDefault();
    next.focus();
  }
}

function Row({item, view, asked, current}) {
  const {flag, experiment, ...others} = asked;
  const href = format(view, {...others, [item.kind]: item.key});
  return html`<li>
    <a href=${href} aria-current=${current ? "true" : null}>
      <i class=${`lamp ${item.status === "on" || item.status === "Running" ? "lit" : ""} ${item.status === "broken" ? "broken" : ""}`}></i>
      <${Name} of=${item.key} />
      <span class="small soft">${item.kind} · ${item.status}</span>
    </a>
  </li>`;
}

/**
 * The list beside a view. `view`: where its links lead; `asked`: the address, of which they keep
 * the rest. Without a choice the first key is chosen.
 */
export function Picker({view, asked}) {
  const [q, search] = useState("");
  const [limit, more] = useState(PAGE);
  const [open, unfold] = useState(false);
  const {environment} = asked;
  const {data, error} = useAnswer(path("list", {environment, q, limit}));
  const choice = chosen(asked);
  useEffect(() => unfold(false), [choice?.key]);
  const rows = useMemo(
    () =>
      data?.items.map(
        (item) =>
          html`<${Row}
            key=${`${item.kind} ${item.key}`}
            ...${{item, view, asked}}
            current=${item.key === choice?.key && item.kind === choice?.kind}
          />`,
      ),
    [data, asked],
  );
  const type = (event) => {
    search(event.target.value);
    more(PAGE);
  };
  return html`<nav class=${open ? "picker open" : "picker"} aria-label="Flags and experiments" onKeyDown=${step}>
    <button type="button" class="fold" aria-expanded=${String(open)} onClick=${() => unfold(!open)}>
      <span class="label">${choice?.kind ?? "Flag or experiment"}</span>
      <${Name} of=${choice?.key ?? "choose one"} />
    </button>
    <div class="folded">
      <label class="search">
        <span class="unseen">Search flags and experiments</span>
        <input type="search" placeholder="Search flags and experiments" value=${q} onInput=${type} />
      </label>
      ${error && html`<${Trouble} error=${error} />`}
      <p class="unseen" role="status">${data && `${count(data.total)} found`}</p>
      <ul>${rows}</ul>
      ${data?.total === 0 && html`<p class="soft nothing">No key has “<bdi>${q}</bdi>” in it.</p>`}
      ${
        data?.total > data?.items.length &&
        html`<button type="button" class="quiet more" onClick=${() => more(Math.min(500, limit * 4))}>
          ${count(data.items.length)} of ${count(data.total)} — show more
        </button>`
      }
    </div>
  </nav>`;
}

/** What is looked at: the address's choice, or else the first of all keys. */
export function useChoice(asked) {
  const choice = chosen(asked);
  const first = useAnswer(choice ? null : path("list", {environment: asked.environment, limit: 1}));
  const [item] = first.data?.items ?? [];
  return choice ?? (item ? {kind: item.kind, key: item.key} : null);
}
