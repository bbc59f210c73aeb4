"""What only shows after minutes: kills at random moments, a collector that fails in every way.

`make soak` runs it for long; the same functions run briefly in `make test`.
"""
