"""A remote decision service for Optimizely Feature Experimentation.

One Optimizely datafile in; for each request, the variation that every Optimizely SDK would give.
"""

__version__ = "0.1.0"
