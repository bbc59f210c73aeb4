"""The official SDK: as something to compare with, and as an engine to serve with."""
