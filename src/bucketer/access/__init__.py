"""Who may ask what: keys that we make, and tokens that others sign. Imported when configured.

keys.py   a key, its hash, and a line of the file that keeps it
ring.py   the keys of the settings and of the file, looked at anew now and then
gate.py   a request in, what it may do out; what was genuine is remembered for a while
stay.py   whether whoever listens would still be let in
rates.py  how often one address, or one key, may ask
"""
