/* A text to take along: shown, with a button that copies it. */

import {html} from "./html.js";
import {useEffect, useState} from "./vendor/preact-hooks.js";

/** Write to the clipboard; a page that isn't local or encrypted has none, so the text is selected. */
async function copy(text, element) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return "Copied";
  }
  getSelection().selectAllChildren(element);
  return "Selected: press Ctrl+C";
}

/** The text `of` a file or a command; `name` says what is copied. */
export function Copied({of, name}) {
  const [told, tell] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => tell(""), 2000);
    return () => clearTimeout(timer);
  }, [told]);
  const press = (event) => {
    const shown = event.currentTarget.parentElement.querySelector("pre");
    copy(of, shown).then(tell, () => tell("Not copied: the browser refuses"));
  };
  return html`<div class="copied">
    <pre class="code" tabindex="0" role="region" aria-label=${name}>${of}</pre>
    <button type="button" class="quiet" onClick=${press}>
      Copy<span class="unseen"> ${name}</span>
    </button>
    <span role="status" class="told small">${told}</span>
  </div>`;
}
