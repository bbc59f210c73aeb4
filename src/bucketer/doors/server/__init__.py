"""The server door: requests over HTTP/1.1 in, answers out, by uvicorn with a protocol of ours.

process.py      `run`: the socket, one or several processes, signals, the first line
supervisor.py   several worker processes, and what became of them
lifespan.py     what a worker process makes at its start and undoes at its end
connection.py   one client: bytes ⇄ Request and answers, in order
reading.py      its reading half: what deals with the parser
pacing.py       how fast it reads, by how its answers are taken
streams.py      who listens to what, and how they are told; streaming.py: one of them
worker.py       what the connections of a process share
sweeper.py      time-outs
phases.py       what a connection can be doing
targets.py      first lines of requests
heads.py        names and heads as HTTP/1.1 text
budget.py       what clients may keep in memory together; limits.py: each of them
descriptors.py  for how many connections there are places
ids.py listening.py logs.py grouping.py held.py words.py
"""
