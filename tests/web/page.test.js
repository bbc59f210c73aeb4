import assert from "node:assert/strict";
import {test} from "node:test";

import {format, objectOf, parse, textOf} from "../../src/bucketer/web/address.js";
import {read, write} from "../../src/bucketer/web/fields.js";
import {whole} from "../../src/bucketer/web/line.js";
import {age, bytes} from "../../src/bucketer/web/numbers.js";
import {ceiling, path} from "../../src/bucketer/web/plot.js";
import {columnsOfFlag} from "../../src/bucketer/web/project/columns.js";
import {curves} from "../../src/bucketer/web/project/dependencies.js";
import {rates} from "../../src/bucketer/web/service/series.js";
import {tintsOf, tintsOfRules} from "../../src/bucketer/web/tints.js";

test("an address says the same after it was read and written", () => {
  const asked = {flag: 'a&b="%" <i>', user: "שלום 🎲", attributes: '{"a":"b?c#d"}'};

  assert.deepEqual(parse(format("visitor", asked)), {view: "visitor", asked});
});

test("an address without a view is the visitor's, and what is empty isn't said", () => {
  assert.deepEqual(parse(""), {view: "visitor", asked: {}});
  assert.deepEqual(parse("#"), {view: "visitor", asked: {}});
  assert.equal(format("split", {by: undefined, flag: "", user: "u"}), "#/split?user=u");
});

test("attributes that somebody mistyped in an address are none", () => {
  for (const text of [undefined, "", "{", "[1]", "null", '"text"', "5"]) {
    assert.deepEqual(objectOf(text), {});
  }
  assert.equal(textOf({}), undefined);
});

test("__proto__ is an attribute like any other", () => {
  const attributes = objectOf('{"__proto__": "x"}');

  assert.deepEqual(Object.keys({...attributes, a: 1}), ["__proto__", "a"]);
  assert.equal(textOf(attributes), '{"__proto__":"x"}');
});

test("a field reads what its kind is made of, and writes it so that it can be read again", () => {
  const told = [
    ["text", "5", "5"],
    ["version", "2.1", "2.1"],
    ["number", "5.", 5],
    ["number", "1e3", 1000],
    ["number", "-", undefined],
    ["number", "Infinity", undefined],
    ["mixed", "5", 5],
    ["mixed", '"5"', "5"],
    ["mixed", "gold", "gold"],
    ["mixed", "true", true],
    ["any", '{"a":1}', '{"a":1}'],
    ["any", "null", "null"],
    ["text", "", undefined],
  ];
  for (const [kind, text, value] of told) {
    assert.equal(read(kind, text), value, `${kind} ${text}`);
    assert.equal(read(kind, write(kind, value)), value, `${kind} ${text} again`);
  }
});

test("the holes of a line are ranges of their own", () => {
  const a = {start: 1000, end: 4000, name: "a"};
  const b = {start: 4000, end: 9999, name: "b"};

  assert.deepEqual(whole([a, b]), [
    {start: 0, end: 1000, name: null},
    a,
    b,
    {start: 9999, end: 10_000, name: null},
  ]);
  assert.deepEqual(whole([{start: 0, end: 10_000, name: "a"}]).length, 1);
  assert.deepEqual(whole([]), [{start: 0, end: 10_000, name: null}]);
});

test("ages and bytes change their unit at its first whole", () => {
  assert.deepEqual([0, 59.9, 60, 3599, 3600, 86_399, 86_400].map(age), [
    "0 s",
    "59 s",
    "1 min",
    "59 min",
    "1 h",
    "23 h",
    "1 d",
  ]);
  assert.deepEqual([999, 1000, 999_999, 1_000_000].map(bytes), [
    "999 B",
    "1.0 KB",
    "1000.0 KB",
    "1.0 MB",
  ]);
});

test("a scale ends at the next 1, 2 or 5", () => {
  assert.deepEqual(
    [0, 0.3, 1, 1.1, 2, 4.9, 5.1, 99, 101].map(ceiling),
    [1, 0.5, 1, 2, 2, 5, 10, 100, 200],
  );
});

test("a plot's points lie by their time", () => {
  const points = [
    {time: 0, value: 0},
    {time: 10, value: 10},
  ];

  assert.equal(path(points, 10, 0, 10), "M0.0 55.0L300.0 1.0");
  assert.equal(path([], 1, 0, 10), "");
});

test("a rate is the mean of what came between the last answers, and a process that began anew takes nothing back", () => {
  const answers = [10, 30, null, 5, 9, 9, 9, 9, 9].map((total, at) => ({
    now: 2 * at,
    requests: total === null ? null : {total},
  }));

  assert.deepEqual(
    rates(answers, (each) => each.requests?.total).map(({time, value}) => [time, value]),
    [
      [2, 20 / 2],
      [6, 20 / 6],
      [8, 24 / 8],
      [10, 24 / 10],
      [12, 24 / 12],
      [14, 4 / 12],
      [16, 4 / 10],
    ],
  );
  assert.deepEqual(
    rates(
      [1, 5].map((total) => ({now: 0, requests: {total}})),
      (each) => each.requests.total,
    ),
    [{time: 0, value: 0}],
  );
});

test("a line leads from each thing to those that it has a part in, at the middle of their rows", () => {
  const from = [
    {key: "a", parts: ["x", "y"]},
    {key: "b", parts: ["nowhere"]},
  ];
  const to = [{key: "x"}, {key: "y"}, {key: "z"}];

  assert.deepEqual(curves(from, to, 3), ["M0 36C50 36 50 18 100 18", "M0 36C50 36 50 54 100 54"]);
  assert.deepEqual(curves([{key: "a"}], to, 3), []);
});

test("an audience that two rules ask for stands once, with a line to each", () => {
  const rule = (key) => ({what: "experiment", key, audience: {audiences: [{id: "1", name: "A"}]}});
  const [asked, rules, flags] = columnsOfFlag({
    key: "f",
    rules: [rule("x"), rule("y")],
    holdouts: [],
  });

  assert.deepEqual(
    asked.things.map(({name, parts}) => [name, parts]),
    [["A", ["experiment x", "experiment y"]]],
  );
  assert.deepEqual(
    rules.things.map(({parts}) => parts),
    [["flag f"], ["flag f"]],
  );
  assert.equal(flags.things[0].key, "flag f");
});

test("a variation that is off wherever it stands has no colour, and takes none from others", () => {
  const rule = {
    traffic: {ranges: [{variation: "off"}, {variation: "a"}, {variation: null}, {variation: "b"}]},
    variations: [
      {key: "off", enabled: false},
      {key: "a", enabled: true},
      {key: "b", enabled: true},
    ],
  };

  assert.deepEqual(Object.fromEntries(tintsOfRules([rule])), {a: "tint0", b: "tint1", off: "dull"});
  assert.equal(tintsOf(Array.from({length: 9}, (_, at) => at)).get(8), "tint0");
});
