/* The top of the page: which project and revision this is, and the ways to look at it. */

import {format, go} from "./address.js";
import {hasKey, keepKey} from "./ask.js";
import {html} from "./html.js";
import {Name} from "./names.js";

/** What every view keeps when another one is chosen. */
const KEPT = ["environment", "flag", "experiment", "user", "attributes", "segments"];

export function kept(asked) {
  return Object.fromEntries(KEPT.map((name) => [name, asked[name]]));
}

function Environments({view, asked, project}) {
  const choose = (event) => {
    const {user, attributes, segments} = asked;
    go(view, {environment: event.target.value, user, attributes, segments});
  };
  return html`<label class="environment">
    <span class="unseen">Environment</span>
    <select onChange=${choose} value=${project.environment}>
      ${project.environments.map(
        ({name, title}) =>
          html`<option value=${name} selected=${name === project.environment}>${title}</option>`,
      )}
    </select>
  </label>`;
}

function forget() {
  keepKey(null);
  location.reload();
}

export function Masthead({views, view, asked, project}) {
  return html`<header class="masthead">
    <a class="brand" href=${format("visitor", {environment: asked.environment})}>
      <img src="console/mark.svg" alt="" width="26" height="26" />Bucketer
    </a>
    <nav aria-label="Views">
      ${Object.entries(views).map(
        ([name, {title}]) =>
          html`<a href=${format(name, kept(asked))} aria-current=${name === view ? "page" : null}>${title}</a>`,
      )}
    </nav>
    ${
      project &&
      html`<div class="which small">
        ${project.environments.length > 1 && html`<${Environments} view=${view} asked=${asked} project=${project} />`}
        <span class="soft">revision <b><${Name} of=${project.revision} /></b></span>
        ${project.source === "demonstration" && html`<span class="tag">demonstration</span>`}
        ${hasKey() && html`<button type="button" class="quiet" onClick=${forget}>Forget the key</button>`}
      </div>`
    }
  </header>`;
}
