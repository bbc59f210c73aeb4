"""Bucketer beside two other servers of OFREP, flagd and GO Feature Flag: requests per second."""
