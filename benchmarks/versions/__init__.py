"""Requests per second of this checkout against another one's, case by case, in turns."""
