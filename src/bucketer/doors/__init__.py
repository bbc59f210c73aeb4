"""Doors translate a protocol into a `Request` and a `Response` back, and do nothing else."""
