/* A line over the last minutes: one value, drawn to the width that there is. */

import {html} from "./html.js";
import {age} from "./numbers.js";

const HEIGHT = 56;
const WIDTH = 300;

/** Round up to 1, 2 or 5 of a power of ten: where a scale may end. */
export function ceiling(value) {
  if (!(value > 0)) {
    return 1;
  }
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((step) => step * power >= value) * power;
}

/** Where the points lie: `x` by time, so that a gap stays a gap's width. */
export function path(points, top, since, until) {
  const x = (time) => (((time - since) / (until - since || 1)) * WIDTH).toFixed(1);
  const y = (value) => (HEIGHT - 1 - (value / top) * (HEIGHT - 2)).toFixed(1);
  return points.map(({time, value}, at) => `${at ? "L" : "M"}${x(time)} ${y(value)}`).join("");
}

/**
 * One plot. `points`: `{time, value}` in order, seconds; `span`: how many seconds are shown;
 * `show`: how a value is written; `name`: of what.
 */
export function Plot({points, span, show, name, tint = "tint0"}) {
  const latest = points.at(-1);
  const until = latest?.time ?? 0;
  const shown = points.filter(({time}) => time >= until - span);
  const top = ceiling(Math.max(0, ...shown.map(({value}) => value)));
  const least = shown.length ? Math.min(...shown.map(({value}) => value)) : 0;
  const most = shown.length ? Math.max(...shown.map(({value}) => value)) : 0;
  const label = latest
    ? `${name}: now ${show(latest.value)}; in the last minutes between ${show(least)} and ${show(most)}`
    : `${name}: nothing yet`;
  return html`<figure class="plot">
    <figcaption>
      <span class="label">${name}</span>
      <strong>${latest ? show(latest.value) : "–"}</strong>
    </figcaption>
    <div class="drawing">
      <svg
        viewBox=${`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label=${label}
        class=${tint}
      >
        <path class="rule" d=${`M0 0.5H${WIDTH}M0 ${HEIGHT - 0.5}H${WIDTH}`} />
        <path class="trace" d=${path(shown, top, until - span, until)} />
      </svg>
      <span class="top" aria-hidden="true">${show(top)}</span>
    </div>
    <p class="times" aria-hidden="true"><span>${age(span)} ago</span><span>now</span></p>
  </figure>`;
}
