/* Numbers as people read them. Where nobody says a language, one that reads the same everywhere. */

const whole = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
const fine = new Intl.NumberFormat("en", {maximumFractionDigits: 2});

/** `12345` as `12,345`. */
export const count = (value) => whole.format(value);

/** `0.12345` as `12.35 %`. */
export const percent = (share) => `${fine.format(share * 100)} %`;

/** Buckets, 10,000 of which are all, as percent. */
export const traffic = (buckets) => percent(buckets / 10_000);

/** At most two decimals, which a rate needs. */
export const rate = (value) => fine.format(value);

/** Seconds in the largest unit that says it: `42 s`, `5 min`, `3 h`, `2 d`. */
export function age(seconds) {
  const units = [
    [86_400, "d"],
    [3600, "h"],
    [60, "min"],
  ];
  const [size, unit] = units.find(([each]) => seconds >= each) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** Bytes as `812 B`, `3.4 KB`, `1.2 MB`. */
export function bytes(value) {
  if (value < 1000) {
    return `${value} B`;
  }
  return value < 1_000_000
    ? `${(value / 1000).toFixed(1)} KB`
    : `${(value / 1_000_000).toFixed(1)} MB`;
}
