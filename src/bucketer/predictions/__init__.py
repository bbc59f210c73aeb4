"""Contextual bandits (CMAB): asking the prediction service, and remembering its answers."""
