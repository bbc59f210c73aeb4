"""The HTTP API without HTTP: `Request` in, `Reply` out, no I/O, no clock."""
