/* Who the visitor is: a user id, and a field for each attribute that the audiences mention. */

import {Field, Other} from "./fields.js";
import {html} from "./html.js";
import {Name} from "./names.js";

/** Somebody else, by chance. */
function dice() {
  const [number] = crypto.getRandomValues(new Uint32Array(1));
  return `visitor-${number % 100_000}`;
}

function User({user, change}) {
  return html`<div class="field">
    <label class="label" for="user">User id</label>
    <div class="beside">
      <input
        id="user"
        class="code"
        value=${user}
        autocomplete="off"
        spellcheck=${false}
        onInput=${(event) => change({user: event.target.value})}
      />
      <button type="button" class="dice" title="Somebody else" onClick=${() => change({user: dice()})}>
        <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
          <rect x="2" y="2" width="16" height="16" rx="3.5" />
          <circle cx="6.5" cy="6.5" r="1.4" /><circle cx="13.5" cy="6.5" r="1.4" />
          <circle cx="10" cy="10" r="1.4" />
          <circle cx="6.5" cy="13.5" r="1.4" /><circle cx="13.5" cy="13.5" r="1.4" />
        </svg>
        <span class="unseen">Somebody else</span>
      </button>
    </div>
  </div>`;
}

function Segments({names, has, change}) {
  const toggle = (name) =>
    change({segments: has.includes(name) ? has.filter((each) => each !== name) : [...has, name]});
  return html`<fieldset class="field">
    <legend class="label">Segments</legend>
    ${names.map(
      (name) =>
        html`<label class="check">
          <input type="checkbox" checked=${has.includes(name)} onChange=${() => toggle(name)} />
          <${Name} of=${name} />
        </label>`,
    )}
  </fieldset>`;
}

/**
 * The form. `visitor`: `{user, attributes, segments}`; `fields`, `segments`: what is asked for;
 * `known`: all fields of the project, to suggest others by; `change`: called with what is new of
 * the visitor; `who`: false where it is about everybody.
 */
export function Form({visitor, fields, segments, known, change, who = true, children}) {
  const {user, attributes} = visitor;
  const set = (name, value) => {
    const {[name]: before, ...others} = attributes;
    change({attributes: value === undefined ? others : {...attributes, [name]: value}});
  };
  const asked = new Set(fields.map(({name}) => name));
  const others = Object.keys(attributes).filter((name) => !asked.has(name));
  const names = [...new Set([...segments, ...visitor.segments])];
  return html`<form class="form" aria-label=${who ? "Visitor" : "Visitors"} onSubmit=${(event) => event.preventDefault()}>
    ${who && html`<${User} user=${user} change=${change} />`} ${children}
    ${fields.map(
      (field) =>
        html`<${Field}
          key=${field.name}
          field=${field}
          value=${attributes[field.name]}
          set=${(value) => set(field.name, value)}
        />`,
    )}
    ${who && fields.length === 0 && html`<p class="small soft">No audience asks for an attribute here.</p>`}
    ${names.length > 0 && html`<${Segments} names=${names} has=${visitor.segments} change=${change} />`}
    <${Other} attributes=${attributes} names=${others} known=${known} set=${set} />
  </form>`;
}
