/* Why: the rules in the order in which they are looked at, each with what it asks and where the
   visitor stands. */

import {Outcome, Tree} from "../audience.js";
import {html} from "../html.js";
import {Legend, Line} from "../line.js";
import {Name} from "../names.js";
import {count} from "../numbers.js";

/** So many steps stand open by themselves; of more, only the one that decides. */
const FEW = 5;

const named = (ranges, name) =>
  ranges.map(({start, end, [name]: of}) => ({start, end, name: of ?? null}));

function Traffic({step, tints}) {
  const {traffic} = step;
  const ranges = named(traffic.ranges, "variation");
  const decides = step.result === "decides" && traffic.hit !== null;
  const chosen = decides ? ranges[traffic.hit]?.name : null;
  return html`<div class="part">
    <h3>
      Traffic
      ${traffic.bucketed_by && traffic.bucketed_by !== "user" && html` by <code>${traffic.bucketed_by}</code>`}
    </h3>
    <${Line} ranges=${ranges} tints=${tints} bucket=${traffic.bucket} what=${`Traffic of ${step.key}`} />
    <${Legend} ranges=${ranges} tints=${tints} chosen=${chosen} />
    ${traffic.closed && html`<p class="hint"><bdi>${traffic.closed}</bdi></p>`}
  </div>`;
}

function Group({step}) {
  const {group} = step;
  const ranges = named(group.ranges, "experiment");
  const tints = new Map(ranges.map(({name}) => [name, name === step.key ? "mine" : "dull"]));
  const has = group.hit === null ? null : (ranges[group.hit]?.name ?? null);
  return html`<div class="part">
    <h3>Exclusion group <${Name} of=${group.id} /></h3>
    <${Line} ranges=${ranges} tints=${tints} bucket=${group.bucket} what=${`Group ${group.id}`} />
    <${Legend} ranges=${ranges} tints=${tints} chosen=${has} />
    ${
      !group.mine &&
      html`<p class="small soft">
        The group gives this visitor to ${has === null ? "nobody" : html`<${Name} of=${has} />`}.
      </p>`
    }
  </div>`;
}

function Audience({step}) {
  const {audience} = step;
  if (audience.everybody) {
    return html`<div class="part"><h3>Audience</h3><p class="everybody"><${Outcome} of="TRUE" /> everybody</p></div>`;
  }
  return html`<div class="part">
    <h3>Audience</h3>
    ${
      audience.tree
        ? html`<${Tree} of=${[audience.tree]} />`
        : html`<p><${Outcome} of=${audience.outcome} /> <bdi>${audience.sentence}</bdi></p>`
    }
  </div>`;
}

const NOTES = {
  whitelisted: "The whitelist of the datafile gives this visitor",
  stored: "The stored profile of this visitor has",
  forced: "Forced by the caller:",
  holdout: "Held out by",
  bandit: "The contextual bandit:",
};

function Notes({step}) {
  return Object.entries(NOTES)
    .filter(([name]) => step[name] !== null && step[name] !== undefined)
    .map(
      ([name, text]) =>
        html`<p class="note">${text} <b><${Name} of=${step[name].key ?? step[name]} /></b></p>`,
    );
}

function Step({step, tints, number, open}) {
  const {result, what, key, status, everyone_else: last} = step;
  const state = result.replace(" ", "-");
  const decides = result === "decides";
  return html`<li class=${`step ${state}`}>
    <details open=${decides || (open && result === "passed over")}>
      <summary>
        <span class="ordinal" aria-hidden="true">${number}</span>
        <span class="what">
          <span class="label">${last ? "everyone else" : what}${status && status !== "Running" && ` · ${status}`}</span>
          <${Name} of=${key} />
        </span>
        <span class=${`result ${state}`}>${result}</span>
      </summary>
      <div class="inside">
        ${step.text && step.text !== result && html`<p class="text"><bdi>${step.text}</bdi></p>`}
        <${Notes} step=${step} />
        ${step.audience && html`<${Audience} step=${step} />`}
        ${step.group && html`<${Group} step=${step} />`}
        ${step.traffic && html`<${Traffic} step=${step} tints=${tints} />`}
        <${Words} reasons=${step.reasons ?? []} />
      </div>
    </details>
  </li>`;
}

function Words({reasons}) {
  return (
    reasons.length > 0 &&
    html`<details class="words">
      <summary class="small">In words</summary>
      <ol class="small">
        ${reasons.map(({message}) => html`<li><bdi>${message}</bdi></li>`)}
      </ol>
    </details>`
  );
}

export function Steps({steps, tints}) {
  return html`<section class="steps" aria-labelledby="why">
    <h2 id="why">Why</h2>
    <ol>
      ${steps.map(
        (step, at) =>
          html`<${Step}
            key=${`${step.what} ${step.key}`}
            ...${{step, tints, number: count(at + 1), open: steps.length <= FEW}}
          />`,
      )}
    </ol>
    ${steps.length === 0 && html`<p class="soft">There is no rule to look at.</p>`}
  </section>`;
}
