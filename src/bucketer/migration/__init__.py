"""Options of Optimizely Agent in, our TOML file out, and what has no counterpart.

options.py   which options Agent has: their defaults, and what becomes of each
reading.py   YAML and `OPTIMIZELY_…` variables → options
durations.py how Agent writes times
writing.py   options → the text of the file
"""
