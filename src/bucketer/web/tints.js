/* Which colour each variation has: the same wherever one looks at its flag. */

const TINTS = 8;

/** A tint for each of *names*, in the order in which they first come; null, which is nobody, has none. */
export function tintsOf(names) {
  const known = [...new Set(names)].filter((name) => name !== null && name !== undefined);
  return new Map(known.map((name, number) => [name, `tint${number % TINTS}`]));
}

/** The tints of the variations of some rules. One that is off wherever it stands has no colour. */
export function tintsOfRules(rules) {
  const names = rules.flatMap(({traffic}) => traffic?.ranges.map(({variation}) => variation) ?? []);
  const all = rules.flatMap(({variations = []}) => variations);
  const on = new Set(all.filter(({enabled}) => enabled !== false).map(({key}) => key));
  const off = new Set(all.map(({key}) => key).filter((key) => !on.has(key)));
  const tints = tintsOf(names.filter((name) => !off.has(name)));
  off.forEach((name) => tints.set(name, "dull"));
  return tints;
}

/** The tints of what the service tells about a flag or an experiment; none before it does. */
export function tintsOfAbout(about) {
  if (!about) {
    return new Map();
  }
  return tintsOfRules(about.kind === "flag" ? [...about.holdouts, ...about.rules] : [about]);
}
