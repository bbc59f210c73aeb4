"""What events cost: python -m benchmarks.events. The server's share is in benchmarks.requests."""

from __future__ import annotations

from benchmarks.events import journal, lambda_latency

if __name__ == "__main__":
    invocations = lambda_latency.asked_invocations(__doc__)
    journal.main()
    lambda_latency.main(invocations)
