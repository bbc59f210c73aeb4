/* Who stands in which column of the picture of dependencies: audiences and groups, rules, flags. */

/** The things that some rules ask for, each once, with the keys of those rules as its parts. */
function asked(rules) {
  const found = new Map();
  const note = (kind, id, name, rule) => {
    const key = `${kind} ${id}`;
    const thing = found.get(key) ?? {key, kind, id, name, parts: []};
    thing.parts.push(rule);
    found.set(key, thing);
  };
  for (const rule of rules) {
    const key = keyOf(rule);
    rule.audience?.audiences?.forEach(({id, name}) => note("audience", id, name, key));
    if (rule.group) {
      note("group", rule.group.id, `Group ${rule.group.id}`, key);
    }
    rule.holdouts?.forEach((each) => note("holdout", each.key, each.key, key));
  }
  return [...found.values()];
}

const keyOf = ({what, key}) => `${what} ${key}`;

/** A rule as a thing: only experiments and holdouts have a place of their own. */
function thing(rule, parts) {
  const own = rule.what === "experiment" || rule.what === "holdout";
  return {key: keyOf(rule), name: rule.key, kind: own ? rule.what : null, id: rule.key, parts};
}

const flagOf = (key) => ({key: `flag ${key}`, name: key, kind: "flag", id: key});
const once = (things) => [...new Map(things.map((each) => [each.key, each])).values()];

/** Of a flag: what its rules ask for, its rules, itself. */
export function columnsOfFlag({key, rules, holdouts}) {
  const all = [...holdouts, ...rules];
  return [
    {title: "Asked for", things: asked(all)},
    {title: "Rules, in order", things: all.map((rule) => thing(rule, [`flag ${key}`]))},
    {title: "Flag", things: [flagOf(key)]},
  ];
}

/** Of an experiment or a holdout: what it asks for, itself, the flags that it is a part of. */
export function columnsOfRule(rule, flags) {
  return [
    {title: "Asked for", things: asked([rule])},
    {
      title: rule.what,
      things: [
        thing(
          rule,
          flags.map((key) => `flag ${key}`),
        ),
      ],
    },
    {title: flags.length === 1 ? "Flag" : "Flags", things: once(flags.map(flagOf))},
  ];
}

/** Of an audience: itself, the rules that ask for it, and the flags of those that are told. */
export function columnsOfAudience({id, name, used_by: users}) {
  const rules = users.map(({kind, key, flag}) => ({what: kind, key, flag}));
  const parts = rules.map(keyOf);
  return [
    {title: "Audience", things: [{key: id, name, kind: "audience", id, parts}]},
    {title: "Asked for by", things: rules.map((rule) => thing(rule, [`flag ${rule.flag}`]))},
    {title: "Flags", things: once(rules.filter(({flag}) => flag).map(({flag}) => flagOf(flag)))},
  ];
}
