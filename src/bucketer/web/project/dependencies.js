/* What depends on what: columns of things, and a line from each to what it has a part in. */

import {html} from "../html.js";
import {Name} from "../names.js";
import {place} from "./links.js";

const ROW = 36;
const WIDTH = 100;

/** The middle of a row, where the rows of a shorter column stand in the middle of the longest. */
function middle(at, rows, most) {
  return ((most - rows) / 2 + at + 0.5) * ROW;
}

/** The curves between two columns: `{key, parts}` each, where `parts` are keys of the next. */
export function curves(from, to, most) {
  const places = new Map(to.map(({key}, at) => [key, middle(at, to.length, most)]));
  return from.flatMap(({parts = []}, at) => {
    const y = middle(at, from.length, most);
    const ends = parts.map((key) => places.get(key)).filter((end) => end !== undefined);
    return ends.map((end) => `M0 ${y}C${WIDTH / 2} ${y} ${WIDTH / 2} ${end} ${WIDTH} ${end}`);
  });
}

function Lines({from, to, most}) {
  return html`<svg
    viewBox=${`0 0 ${WIDTH} ${most * ROW}`}
    preserveAspectRatio="none"
    aria-hidden="true"
    style=${{height: `${most * ROW}px`}}
  >
    ${curves(from, to, most).map((curve) => html`<path d=${curve} />`)}
  </svg>`;
}

function Column({things, title, most, asked}) {
  return html`<ul aria-label=${title} style=${{height: `${most * ROW}px`}}>
    ${things.map(
      ({kind, id, name}) =>
        html`<li style=${{height: `${ROW}px`}}>
          ${
            kind
              ? html`<a class="knot" href=${place(asked, kind, id)}><${Name} of=${name} /></a>`
              : html`<span class="knot"><${Name} of=${name} /></span>`
          }
        </li>`,
    )}
  </ul>`;
}

/**
 * The picture. `columns`: `{title, things}` from what is asked for to what asks; a thing is
 * `{key, name, kind, id, parts}`, where `kind` and `id` say what it leads to, if anything.
 */
export function Dependencies({columns, asked}) {
  const shown = columns.filter(({things}) => things.length > 0);
  const most = Math.max(...shown.map(({things}) => things.length));
  return (
    shown.length > 1 &&
    html`<section class="panel wide" tabindex="0" aria-label="What depends on what">
      <div class="map">
        ${shown.map(
          ({title, things}, at) => html`
            ${at > 0 && html`<${Lines} from=${shown[at - 1].things} to=${things} most=${most} />`}
            <div>
              <p class="label">${title}</p>
              <${Column} ...${{title, things, most, asked}} />
            </div>
          `,
        )}
      </div>
    </section>`
  );
}
