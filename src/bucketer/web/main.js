/* The page: who may see it, what is shown at the top, and which view below. */

import {useAddress} from "./address.js";
import {path, useAnswer} from "./ask.js";
import {html} from "./html.js";
import {Masthead} from "./masthead.js";
import {Project} from "./project/view.js";
import {Revisions} from "./revisions/view.js";
import {Service} from "./service/view.js";
import {Split} from "./split/view.js";
import {Trouble} from "./trouble.js";
import {useEffect} from "./vendor/preact-hooks.js";
import {render} from "./vendor/preact.js";
import {Visitor} from "./visitor/view.js";

const VIEWS = {
  visitor: {title: "Visitor", shown: Visitor},
  project: {title: "Project", shown: Project},
  split: {title: "Split", shown: Split},
  revisions: {title: "Revisions", shown: Revisions},
  service: {title: "Service", shown: Service},
};

function Page() {
  const {view, asked} = useAddress();
  const project = useAnswer(path("project", {environment: asked.environment}));
  const name = Object.hasOwn(VIEWS, view) ? view : "visitor";
  const {title, shown: Shown} = VIEWS[name];
  useEffect(() => {
    document.title = `${title} · Bucketer`;
  }, [title]);
  return html`
    <a class="skip" href="#main" onClick=${skip}>To the content</a>
    <${Masthead} views=${VIEWS} view=${name} asked=${asked} project=${project.data} />
    <main id="main" tabindex="-1" class=${name}>
      <h1 class="unseen">${title}</h1>
      ${project.error && name !== "service" && html`<${Trouble} error=${project.error} />`}
      ${(project.data || name === "service") && html`<${Shown} asked=${asked} project=${project.data} />`}
    </main>
  `;
}

/** The fragment is an address of ours, so the link moves the focus by itself. */
function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

render(html`<${Page} />`, document.body);
