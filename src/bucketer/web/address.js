/* What is looked at, kept in the URL's fragment so that a view can be shared:
   `#/visitor?flag=search&user=ben&attributes={"tier":"gold"}`. */

import {useEffect, useState} from "./vendor/preact-hooks.js";

const FIRST = "visitor";
/** Browsers let a page write only so many addresses a minute: while somebody types, the last. */
const PAUSE_MS = 300;

/** Read a fragment: its view, and what is asked of it; texts all, none of them trusted. */
export function parse(fragment) {
  const [, view = "", query = ""] = /^#?\/?([^?]*)\??(.*)$/s.exec(fragment);
  const asked = Object.fromEntries(new URLSearchParams(query));
  return {view: view || FIRST, asked};
}

/** Write a fragment; what is empty or absent is left out. */
export function format(view, asked = {}) {
  const said = Object.entries(asked).filter(([, value]) => value !== undefined && value !== "");
  const query = new URLSearchParams(said).toString();
  return `#/${view}${query && `?${query}`}`;
}

const listeners = new Set();
let pause;

function write(method, fragment) {
  clearTimeout(pause);
  if (fragment !== location.hash) {
    history[method](null, "", fragment);
  }
}

/** Look at something else: a step that *Back* undoes. */
export function go(view, asked) {
  write("pushState", format(view, asked));
  tell({view, asked});
}

/** Look at the same a little differently: the letters of a word are no steps of their own. */
export function adjust(view, asked) {
  clearTimeout(pause);
  pause = setTimeout(() => write("replaceState", format(view, asked)), PAUSE_MS);
  tell({view, asked});
}

function tell(address) {
  listeners.forEach((listener) => listener(address));
}

/** The address, for as long as a part is shown. */
export function useAddress() {
  const [address, set] = useState(() => parse(location.hash));
  useEffect(() => {
    const read = () => {
      clearTimeout(pause);
      set(parse(location.hash));
    };
    listeners.add(set);
    addEventListener("popstate", read);
    return () => {
      listeners.delete(set);
      removeEventListener("popstate", read);
    };
  }, []);
  return address;
}

/** A JSON object that stands in an address; anything else, which somebody mistyped, is none. */
export function objectOf(text) {
  try {
    const value = JSON.parse(text ?? "{}");
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

/** An object for an address; nothing if it is empty. */
export function textOf(value) {
  return Object.keys(value).length ? JSON.stringify(value) : undefined;
}
