/* The line of traffic: 10,000 buckets, cut into ranges, with a needle where a visitor stands. */

import {html} from "./html.js";
import {Name} from "./names.js";
import {count, traffic} from "./numbers.js";

const ALL = 10_000;
const MARKS = [0, 2500, 5000, 7500, ALL];

function said(ranges, bucket, what) {
  const parts = ranges.map(
    ({start, end, name}) => `${name ?? "nobody"} from ${count(start)} to ${count(end - 1)}`,
  );
  const here =
    bucket === undefined || bucket === null ? "" : `; the visitor is at ${count(bucket)}`;
  return `${what}: ${parts.join(", ")}${here}`;
}

/** The ranges of *ranges* and, between them, those that nobody has. */
export function whole(ranges) {
  const found = [];
  let at = 0;
  for (const range of ranges) {
    if (range.start > at) {
      found.push({start: at, end: range.start, name: null});
    }
    if (range.end > range.start) {
      found.push(range);
    }
    at = Math.max(at, range.end);
  }
  if (at < ALL) {
    found.push({start: at, end: ALL, name: null});
  }
  return found;
}

/**
 * A line of traffic.
 *
 * `ranges`: `{start, end, name}` in buckets, `end` being the first behind; in order. `tints`: a
 * class for each name. `bucket`: where the visitor stands, if it is known.
 * `what`: whose line it is, for those who listen.
 */
export function Line({ranges, tints, bucket, what, small = false}) {
  const all = whole(ranges);
  const label = said(all, bucket, what);
  return html`<div class=${small ? "line small-line" : "line"} role="img" aria-label=${label}>
    <div class="measured" aria-hidden="true">
      <div class="scale">${all.map((range) => html`<${Range} range=${range} tints=${tints} />`)}</div>
      <${Needle} bucket=${bucket} />
    </div>
    ${
      !small &&
      html`<div class="marks" aria-hidden="true">
        ${MARKS.map((at) => html`<span style=${{left: `${at / 100}%`}}>${count(at)}</span>`)}
      </div>`
    }
  </div>`;
}

function Range({range: {start, end, name}, tints}) {
  return html`<i
    class=${name === null ? "range hole" : `range ${tints.get(name) ?? ""}`}
    style=${{left: `${start / 100}%`, width: `${(end - start) / 100}%`}}
    title=${`${name ?? "nobody"}: ${count(start)}–${count(end - 1)}`}
  ></i>`;
}

function Needle({bucket}) {
  if (bucket === undefined || bucket === null) {
    return null;
  }
  return html`<div class="needle" style=${{left: `${(bucket + 0.5) / 100}%`}}>
    <span class=${bucket > ALL / 2 ? "reading before" : "reading"}>${count(bucket)}</span>
  </div>`;
}

/** What each colour of a line is, with its share; the one that a visitor has is marked. */
export function Legend({ranges, tints, chosen}) {
  const shares = new Map();
  for (const {start, end, name} of whole(ranges)) {
    shares.set(name, (shares.get(name) ?? 0) + end - start);
  }
  return html`<ul class="legend">
    ${[...shares].map(
      ([name, share]) =>
        html`<li class=${name !== null && name === chosen ? "chosen" : ""}>
          <i class=${name === null ? "dot hole" : `dot ${tints.get(name) ?? ""}`}></i>
          ${name === null ? html`<span class="soft">nobody</span>` : html`<${Name} of=${name} />`}
          <span class="soft">${traffic(share)}</span>
        </li>`,
    )}
  </ul>`;
}
