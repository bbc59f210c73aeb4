/* One attribute: the kind of field that fits it, with what the audiences mention as suggestions. */

import {html} from "./html.js";
import {Name} from "./names.js";
import {useId, useState} from "./vendor/preact-hooks.js";

const CHIPS = 4;

/** What a text means in a field of a kind: a value, or undefined where there is none (yet). */
export function read(kind, text) {
  if (text === "") {
    return undefined;
  }
  if (kind === "number") {
    return Number.isFinite(Number(text)) ? Number(text) : undefined;
  }
  if (kind === "text" || kind === "version") {
    return text;
  }
  try {
    const value = JSON.parse(text);
    return typeof value === "object" ? text : value;
  } catch {
    return text;
  }
}

/** A value as a field of that kind shows it; `read` takes it back. */
export function write(kind, value) {
  if (value === undefined) {
    return "";
  }
  const plain = typeof value === "string" && read(kind, value) === value;
  return plain ? value : JSON.stringify(value);
}

const HINTS = {
  number: "a number",
  version: "a version, such as 2.1.0",
  mixed: 'a text, or JSON: 5, "5", true',
  any: 'a text, or JSON: 5, "5", true',
};

function Typed({id, kind, value, suggestions, set}) {
  const [text, type] = useState(write(kind, value));
  // What was typed stands as it is ("5.") while it means the value; else somebody else set it.
  const shown = read(kind, text) === value ? text : write(kind, value);
  const input = (event) => {
    type(event.target.value);
    set(read(kind, event.target.value));
  };
  const wrong = shown !== "" && read(kind, shown) === undefined;
  return html`<input
      id=${id}
      list=${`${id}-list`}
      value=${shown}
      inputmode=${kind === "number" ? "decimal" : null}
      placeholder=${HINTS[kind] ?? "not set"}
      aria-invalid=${wrong ? "true" : null}
      autocomplete="off"
      spellcheck=${false}
      onInput=${input}
    />
    <datalist id=${`${id}-list`}>
      ${suggestions.map((each) => html`<option value=${write(kind, each)}></option>`)}
    </datalist>`;
}

function Chips({suggestions, value, set}) {
  return html`<div class="chips">
    ${suggestions.slice(0, CHIPS).map((each) => {
      const pressed = each === value;
      return html`<button
        type="button"
        class="chip"
        aria-pressed=${String(pressed)}
        onClick=${() => set(pressed ? undefined : each)}
      >
        <bdi>${typeof each === "string" && each !== "" ? each : JSON.stringify(each)}</bdi>
      </button>`;
    })}
  </div>`;
}

function Boolean({name, value, set}) {
  const options = [
    ["not set", undefined],
    ["true", true],
    ["false", false],
  ];
  const group = useId();
  return html`<fieldset class="field">
    <legend class="label"><${Name} of=${name} /></legend>
    <div class="switch">
      ${options.map(
        ([text, each]) =>
          html`<label>
            <input type="radio" name=${group} checked=${value === each} onChange=${() => set(each)} />
            <span>${text}</span>
          </label>`,
      )}
    </div>
  </fieldset>`;
}

/** One field; `value` undefined means that the visitor hasn't the attribute. */
export function Field({field, value, set}) {
  const {name, suggestions, known = true} = field;
  const id = useId();
  const kind = value !== undefined && !fits(field.kind, value) ? "mixed" : field.kind;
  if (kind === "boolean") {
    return html`<${Boolean} name=${name} value=${value} set=${set} />`;
  }
  return html`<div class="field">
    <label class="label" for=${id}><${Name} of=${name} />${!known && " (not in the datafile)"}</label>
    <${Typed} ...${{id, kind, value, suggestions, set}} />
    ${suggestions.length > 0 && html`<${Chips} ...${{suggestions, value, set}} />`}
  </div>`;
}

function fits(kind, value) {
  const types = {text: "string", version: "string", number: "number", boolean: "boolean"};
  return types[kind] === undefined || typeof value === types[kind];
}

/** Attributes that no audience here asks for: those set already, and a way to set another. */
export function Other({attributes, names, known, set}) {
  const [name, call] = useState("");
  const id = useId();
  const add = (event) => {
    event.preventDefault();
    if (name !== "") {
      set(name, known.find((each) => each.name === name)?.suggestions[0] ?? "");
      call("");
    }
  };
  return html`
    ${names.map((each) => {
      const field = known.find((one) => one.name === each) ?? {
        name: each,
        kind: "mixed",
        suggestions: [],
      };
      return html`<div class="other" key=${each}>
        <${Field} field=${field} value=${attributes[each]} set=${(value) => set(each, value ?? "")} />
        <button type="button" class="quiet" onClick=${() => set(each, undefined)}>
          Remove<span class="unseen"> ${each}</span>
        </button>
      </div>`;
    })}
    <div class="field add">
      <label class="label" for=${id}>Another attribute</label>
      <div class="beside">
        <input
          id=${id}
          list=${`${id}-list`}
          placeholder="its name"
          value=${name}
          autocomplete="off"
          onInput=${(event) => call(event.target.value)}
          onKeyDown=${(event) => event.key === "Enter" && add(event)}
        />
        <button type="button" onClick=${add}>Add</button>
      </div>
      <datalist id=${`${id}-list`}>
        ${known.map((each) => html`<option value=${each.name}></option>`)}
      </datalist>
    </div>
  `;
}
