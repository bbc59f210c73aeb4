"""Bucketer beside a real Optimizely Agent: the same conversations, the same answers and events."""
