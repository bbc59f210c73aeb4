/* Try a visitor: who it is, what they get, why, and what would have to change. */

import {adjust, go, objectOf, textOf} from "../address.js";
import {path, useAnswer} from "../ask.js";
import {Form} from "../form.js";
import {html} from "../html.js";
import {Picker, useChoice} from "../picker.js";
import {tintsOfAbout} from "../tints.js";
import {Trouble} from "../trouble.js";
import {Answer} from "./answer.js";
import {Changes} from "./changes.js";
import {Requests} from "./requests.js";
import {Steps} from "./steps.js";

const SOMEBODY = "visitor-1";

/** Who the address describes: `{user, attributes, segments}`. */
export function visitorOf({user, attributes, segments}) {
  return {
    user: user || SOMEBODY,
    attributes: objectOf(attributes),
    segments: Object.keys(objectOf(segments)),
  };
}

/** What an address says of a visitor. */
export function addressOf({user, attributes, segments}) {
  const named = Object.fromEntries((segments ?? []).map((each) => [each, true]));
  return {user, attributes: textOf(attributes), segments: textOf(named)};
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

export function Visitor({asked, project}) {
  const choice = useChoice(asked);
  const visitor = visitorOf(asked);
  const {environment} = asked;
  const about = useAnswer(choice && path(choice.kind, {key: choice.key, environment}));
  const question = choice && {[choice.kind]: choice.key, environment, ...visitor, changes: true};
  const answer = useAnswer(choice && "try", question);
  const shown = choice ? {...asked, [choice.kind]: choice.key} : asked;
  const become = (other) => go("visitor", {...shown, ...addressOf({...visitor, ...other})});
  const change = (other) => adjust("visitor", {...shown, ...addressOf({...visitor, ...other})});
  return html`
    <${Picker} view="visitor" asked=${shown} />
    <${Form}
      visitor=${visitor}
      fields=${about.data?.fields ?? []}
      segments=${about.data?.segments ?? []}
      known=${project.attributes}
      change=${change}
    />
    <${Tried} ...${{answer, become}} asked=${shown} tints=${tintsOfAbout(about.data)} />
  `;
}
