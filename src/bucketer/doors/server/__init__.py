"""The server door: requests over HTTP/1.1 in, answers out, by uvicorn with a protocol of ours.

process.py      `run`: the socket, one or several processes, signals, the first line
lifespan.py     what a worker process makes at its start and undoes at its end
worker.py       what the connections of a process share
connection.py   bytes ⇄ Request and answers, in order
heads.py        names and heads as HTTP/1.1 text
refusals.py     answers to what isn't a request
sweeper.py      time-outs
limits.py ids.py
"""
