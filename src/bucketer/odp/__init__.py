"""Optimizely Data Platform (ODP): asking which segments a user is in, and remembering it."""
