/* The same question as a program asks it, to be pasted. */

import {Copied} from "../copying.js";
import {html} from "../html.js";
import {useState} from "../vendor/preact-hooks.js";

const LANGUAGES = {curl: "curl", python: "Python", javascript: "JavaScript"};

/** Where this page was served, and so the service: without the slash at its end. */
function origin() {
  return document.baseURI.replace(/[?#].*$/s, "").replace(/\/[^/]*$/, "");
}

/** The arrows change the tab, as in any row of tabs. */
function arrow(event, language, choose) {
  const by = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (by) {
    const names = Object.keys(LANGUAGES);
    const next = names[(names.indexOf(language) + by + names.length) % names.length];
    choose(next);
    event.currentTarget.querySelector(`#tab-${next}`).focus();
  }
}

export function Requests({requests}) {
  const [language, choose] = useState("curl");
  const text = requests[language].replace("{origin}", origin);
  return html`<section class="panel requests" aria-labelledby="request">
    <h2 id="request">The request</h2>
    <div role="tablist" aria-labelledby="request" class="tabs" onKeyDown=${(event) => arrow(event, language, choose)}>
      ${Object.entries(LANGUAGES).map(
        ([name, title]) =>
          html`<button
            type="button"
            role="tab"
            id=${`tab-${name}`}
            aria-selected=${String(name === language)}
            aria-controls="request-text"
            tabindex=${name === language ? 0 : -1}
            onClick=${() => choose(name)}
          >
            ${title}
          </button>`,
      )}
    </div>
    <div id="request-text" role="tabpanel" aria-labelledby=${`tab-${language}`}>
      <${Copied} of=${text} name=${`Request in ${LANGUAGES[language]}`} />
    </div>
    <p class="small soft">
      Sent by a program it counts as seen, and an impression goes out; nothing of this page does.
    </p>
  </section>`;
}
