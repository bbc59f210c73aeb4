/* Try a visitor: who it is, what they get, why, and what would have to change. */

import {adjust, go, objectOf, textOf} from "../address.js";
import {path, useAnswer} from "../ask.js";
import {Form} from "../form.js";
import {html} from "../html.js";
import {Name} from "../names.js";
import {Picker, useChoice} from "../picker.js";
import {tintsOfAbout} from "../tints.js";
import {Trouble} from "../trouble.js";
import {Answer} from "./answer.js";
import {Changes} from "./changes.js";
import {Requests} from "./requests.js";
import {Steps} from "./steps.js";

const SOMEBODY = "visitor-1";

/** Who the address describes: `{user, attributes, segments}`, and what is tried beside. */
export function visitorOf({user, attributes, segments, forced, profile}) {
  const tried = objectOf(forced);
  return {
    user: user || SOMEBODY,
    attributes: objectOf(attributes),
    segments: Object.keys(objectOf(segments)),
    ...(Object.keys(tried).length > 0 && {forced: tried}),
    ...(profile === "no" && {profile: false}),
  };
}

/** What an address says of a visitor. */
export function addressOf({user, attributes, segments, forced, profile}) {
  const named = Object.fromEntries(segments.map((each) => [each, true]));
  return {
    user,
    attributes: textOf(attributes),
    segments: textOf(named),
    forced: textOf(forced ?? {}),
    profile: profile === false ? "no" : undefined,
  };
}

/** What is tried of a change; null stands for what stays as it is. */
function said(change) {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== null));
}

function Tried({answer, asked, tints, become}) {
  const {data, error, waiting} = answer;
  if (error) {
    const retry = (key) => {
      const {flag, experiment, ...others} = asked;
      go("visitor", {...others, [asked.experiment === undefined ? "flag" : "experiment"]: key});
    };
    return html`<${Trouble} error=${error} asks=${retry} />`;
  }
  if (!data) {
    return null;
  }
  return html`<div class="tried" aria-busy=${String(waiting)}>
    <${Answer} answer=${data} tints=${tints} />
    <${Steps} steps=${data.steps} tints=${tints} />
    <div class="aside">
      <${Changes} changes=${data.changes} tints=${tints} become=${become} />
      <${Requests} requests=${data.requests} />
    </div>
  </div>`;
}

/** What a change set that no field of the form is for, to be taken back. */
function Beside({visitor: {forced, profile}, change}) {
  return html`
    ${Object.entries(forced ?? {}).map(
      ([rule, variation]) => html`<p class="note">
        <${Name} of=${rule} /> is forced to <b><${Name} of=${variation} /></b>
      </p>`,
    )}
    ${forced && html`<button type="button" onClick=${() => change({forced: undefined})}>Force nothing</button>`}
    ${
      profile === false &&
      html`<p class="note">The stored profile is not looked at</p>
        <button type="button" onClick=${() => change({profile: undefined})}>Look at the profile</button>`
    }
  `;
}

export function Visitor({asked, project}) {
  const choice = useChoice(asked);
  const visitor = visitorOf(asked);
  const {environment} = asked;
  const about = useAnswer(choice && path(choice.kind, {key: choice.key, environment}));
  const question = choice && {[choice.kind]: choice.key, environment, ...visitor, changes: true};
  const answer = useAnswer(choice && "try", question);
  const shown = choice ? {...asked, [choice.kind]: choice.key} : asked;
  const become = (other) => go("visitor", {...shown, ...addressOf({...visitor, ...said(other)})});
  const change = (other) => adjust("visitor", {...shown, ...addressOf({...visitor, ...other})});
  return html`
    <${Picker} view="visitor" asked=${shown} />
    <${Form}
      visitor=${visitor}
      fields=${about.data?.fields ?? []}
      segments=${about.data?.segments ?? []}
      known=${project.attributes}
      change=${change}
    >
      <${Beside} visitor=${visitor} change=${change} />
    <//>
    <${Tried} ...${{answer, become}} asked=${shown} tints=${tintsOfAbout(about.data)} />
  `;
}
