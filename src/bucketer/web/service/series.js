/* Counts that only go up, as what they are per second; and what goes up and down, as it is. */

/** What *read* finds in each answer, over time: `{time, value}`; answers without it are left out. */
export function levels(answers, read) {
  return answers
    .map((answer) => ({time: answer.now, value: read(answer)}))
    .filter(({value}) => typeof value === "number");
}

/** How many answers a rate is the mean of: what is sent goes out in lots, and a lot is no rate. */
const MEAN_OF = 5;

/** How fast it goes up, from answer to answer; a count that fell is a process that began anew. */
export function rates(answers, read) {
  const points = levels(answers, read);
  const steps = points.slice(1).map(({time, value}, at) => ({
    time,
    seconds: time - points[at].time,
    more: Math.max(0, value - points[at].value),
  }));
  return steps.map(({time}, at) => {
    const last = steps.slice(Math.max(0, at + 1 - MEAN_OF), at + 1);
    const total = (name) => last.reduce((sum, step) => sum + step[name], 0);
    return {time, value: total("seconds") > 0 ? total("more") / total("seconds") : 0};
  });
}
