"""Tokens: who may ask for which SDK keys. Needs the extra `[jwt]`; imported when configured.

checking.py   a JWT in, its claims out: by secrets that we share, or by keys that are published
published.py  a JWKS: fetched, kept, fetched again
issuing.py    a client's id and secret in, a JWT out
"""
