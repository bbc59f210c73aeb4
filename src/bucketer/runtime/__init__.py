"""The shell around the handler: which edition serves, when it is fetched again, where events go.

runtime.py      `Runtime`, one per process: requests in, answers out; the datafile kept fresh
answering.py    one request that needs something, step by step
apart.py        threads for those steps, of which no kind holds up another
edition.py      a ruleset with where and when it came from
seen.py         what each source gave last, and whether it may serve
freshness.py    how fetching goes
compiling.py    bytes to ruleset
ids.py          names of requests and events

Requests go to `Runtime.handler`, which knows one edition and nothing else; a new edition means a
new handler, put in place by one assignment, so that a request sees the old or the new one, never
a mixture.
"""
