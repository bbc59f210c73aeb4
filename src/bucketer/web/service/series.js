/* Counts that only go up, as what they are per second; and what goes up and down, as it is. */

/** What *read* finds in each answer, over time: `{time, value}`; answers without it are left out. */
export function levels(answers, read) {
  return answers
    .map((answer) => ({time: answer.now, value: read(answer)}))
    .filter(({value}) => typeof value === "number");
}

/** How fast it goes up, from answer to answer; a count that fell is a process that began anew. */
export function rates(answers, read) {
  const points = levels(answers, read);
  return points.slice(1).map(({time, value}, at) => {
    const before = points[at];
    const seconds = time - before.time;
    const more = value - before.value;
    return {time, value: more >= 0 && seconds > 0 ? more / seconds : 0};
  });
}
