/* Markup as tagged templates. What is put into one is text, never markup. */

import htm from "./vendor/htm.js";
import {h} from "./vendor/preact.js";

export const html = htm.bind(h);
