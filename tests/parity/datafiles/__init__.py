"""Seed in, datafile out: documents that reach every construct the SDK decides by."""

from .build import Generated, generate
from .coverage import CONSTRUCTS

__all__ = ["CONSTRUCTS", "Generated", "generate"]
