/* Questions to the service, and their answers. All that is decided is decided there. */

import {useEffect, useLayoutEffect, useState} from "./vendor/preact-hooks.js";

const API = "console/api/";
const KEPT = "bucketer console key";

/** An answer that is an error: `message` is a sentence for people. */
export class Refused extends Error {
  constructor(status, {code, message, suggestion} = {}) {
    super(message ?? `The service answered with status ${status}.`);
    Object.assign(this, {status, code, suggestion});
  }
}

/** Keep the key that the service asks for, until the tab is closed; null forgets it. */
export function keepKey(key) {
  if (key === null) {
    sessionStorage.removeItem(KEPT);
  } else {
    sessionStorage.setItem(KEPT, key);
  }
}

export const hasKey = () => sessionStorage.getItem(KEPT) !== null;

/**
 * Ask `path`: by GET, or by POST where there is a `body`. Returns the JSON, or with `raw` the Blob.
 * Throws `Refused`, and what `fetch` throws.
 */
export async function ask(path, {body, signal, raw = false} = {}) {
  const headers = body === undefined ? {} : {"Content-Type": "application/json"};
  const key = sessionStorage.getItem(KEPT);
  if (key !== null) {
    headers.Authorization = `Bearer ${key}`;
  }
  const method = body === undefined ? "GET" : "POST";
  const sent = {method, headers, signal, body: body && JSON.stringify(body)};
  const answer = await fetch(API + path, sent).catch((error) => {
    throw error.name === "AbortError" ? error : new Error("The service can't be reached.");
  });
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, told.error);
  }
  return raw ? answer.blob() : answer.json();
}

/** A path with what is asked of it; what is absent or empty is left out. */
export function path(name, asked = {}) {
  const said = Object.entries(asked).filter(([, value]) => value !== undefined && value !== "");
  const query = new URLSearchParams(said).toString();
  return query ? `${name}?${query}` : name;
}

const NOTHING = {asked: null, data: null, error: null};

/**
 * The answer to a question, for as long as a part asks it; a question that another one follows is
 * given up. Until the next answer is there the last one stays, and `waiting` says so.
 */
export function useAnswer(path, body) {
  const asked = path && JSON.stringify([path, body]);
  const [answer, set] = useState(NOTHING);
  // Before the paint: the question is on its way while the letter that was typed is drawn.
  useLayoutEffect(() => {
    if (!asked) {
      return undefined;
    }
    const aborting = new AbortController();
    ask(path, {body, signal: aborting.signal}).then(
      (data) => aborting.signal.aborted || set({asked, data, error: null}),
      (error) => aborting.signal.aborted || set({asked, data: null, error}),
    );
    return () => aborting.abort();
  }, [asked]);
  return {...answer, waiting: answer.asked !== asked};
}

/** The answers to a question that is asked again every `every` ms: the last `most`, in order. */
export function useAnswers(path, every, most) {
  const [answers, set] = useState([]);
  const [error, fail] = useState(null);
  useEffect(() => {
    const aborting = new AbortController();
    let timer;
    const once = async () => {
      try {
        const data = await ask(path, {signal: aborting.signal});
        set((before) => [...before, data].slice(-most));
        fail(null);
      } catch (caught) {
        if (aborting.signal.aborted) {
          return;
        }
        fail(caught);
      }
      timer = setTimeout(once, every);
    };
    once();
    return () => {
      aborting.abort();
      clearTimeout(timer);
    };
  }, [path]);
  return {answers, error};
}
