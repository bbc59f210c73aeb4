"""What the server counts for `GET /metrics`, and how one scrape tells of all workers.

names.py      every metric: its name, type, meaning, labels
samples.py    values by name and labels; several workers' made one
routes.py     names of paths
requests.py   answers by route and status, and how long they took
decisions.py  decisions by environment, flag, variation and reason
state.py      datafiles, events, the process: looked up when somebody asks
workers.py    a file for each worker, from which all the others read
text.py       the formats of Prometheus and OpenMetrics

Counting costs a few additions to lists; everything else is done when somebody asks
(docs/decisions/0159). Not imported unless `BUCKETER_METRICS` says so.
"""
