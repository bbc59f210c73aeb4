import js from "@eslint/js";
import globals from "globals";

export default [
  {ignores: ["**/vendor/**", "**/node_modules/**", "build/**"]},
  js.configs.recommended,
  {
    languageOptions: {ecmaVersion: 2023, sourceType: "module", globals: globals.browser},
    linterOptions: {reportUnusedDisableDirectives: "error"},
    rules: {
      eqeqeq: "error",
      "no-console": "error", // what goes wrong is shown to whoever looks
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error", // the page's Content-Security-Policy forbids all three
      "no-param-reassign": "error",
      "no-restricted-properties": [
        "error",
        {property: "innerHTML", message: "Text is shown as text: use html`…`."},
        {property: "outerHTML", message: "Text is shown as text: use html`…`."},
        {property: "dangerouslySetInnerHTML", message: "Text is shown as text: use html`…`."},
      ],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
      complexity: ["error", 15], // what a template shows or leaves out counts too
      "no-unused-vars": ["error", {ignoreRestSiblings: true}],
      "max-lines": ["error", 300],
      "max-lines-per-function": ["error", {max: 60, skipComments: true}],
    },
  },
  {files: ["tools/**", "tests/**"], languageOptions: {globals: globals.node}},
];
