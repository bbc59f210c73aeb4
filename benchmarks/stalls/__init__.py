"""For how long one hostile client can stop another: python -m benchmarks.stalls."""
