"""Bucketer beside a real Optimizely Agent: requests per second, latency, memory, start-up."""
