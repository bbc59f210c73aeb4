"""The differential harness: our core beside the official SDK, on generated datafiles and users."""
