/* From one thing of the project to another. */

import {format} from "../address.js";
import {html} from "../html.js";
import {Name} from "../names.js";

/** Where a thing is shown: by its id where the service asks for that, else by its key. */
export function place(asked, kind, id) {
  const {environment, user, attributes, segments} = asked;
  return format("project", {environment, user, attributes, segments, show: kind, id});
}

export function To({asked, kind, id, name = id}) {
  return html`<a href=${place(asked, kind, id)}><${Name} of=${name} /></a>`;
}

/** A list in a line: nothing, one, or many with commas between. */
export function All({asked, kind, of}) {
  return of.map(
    (each, at) =>
      html`${at > 0 && ", "}<${To} asked=${asked} kind=${kind} id=${each.id ?? each.key ?? each} name=${each.name ?? each.key ?? each} />`,
  );
}

/** To the visitor's view of a flag or an experiment. */
export function TryIt({asked, kind, id}) {
  const {environment, user, attributes, segments} = asked;
  const href = format("visitor", {environment, [kind]: id, user, attributes, segments});
  return html`<a class="button" href=${href}>Try a visitor<span class="unseen"> on ${id}</span></a>`;
}
