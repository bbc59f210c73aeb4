/* What went wrong, in the service's words; and the key, where that is what it lacks. */

import {hasKey, keepKey} from "./ask.js";
import {html} from "./html.js";
import {Name} from "./names.js";

function keep(event) {
  event.preventDefault();
  keepKey(new FormData(event.target).get("key").trim());
  location.reload();
}

function Key({error}) {
  return html`<form class="panel key" onSubmit=${keep}>
    <h2>This console asks for a key</h2>
    <p class="soft">
      One that may read. It is kept in this tab alone, and forgotten when the tab is closed.
    </p>
    <label class="field">
      <span class="label">Key</span>
      <input name="key" type="password" autocomplete="off" required />
    </label>
    ${hasKey() && html`<p class="trouble" role="alert"><bdi>${error.message}</bdi></p>`}
    <button class="main">Open</button>
  </form>`;
}

/** An error where an answer should be. `asks`: called with what it suggests, if that is pressed. */
export function Trouble({error, asks}) {
  if (error.status === 401 || (error.status === 403 && hasKey())) {
    return html`<${Key} error=${error} />`;
  }
  const {message, suggestion} = error;
  return html`<div class="trouble" role="alert">
    <p><bdi>${message}</bdi></p>
    ${
      asks &&
      suggestion !== undefined &&
      html`<button type="button" onClick=${() => asks(suggestion)}>Look at <${Name} of=${suggestion} /></button>`
    }
  </div>`;
}
