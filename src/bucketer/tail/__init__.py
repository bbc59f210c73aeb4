"""Decisions as they happen, for those who listen at `/tail` (docs/decisions/0164)."""
