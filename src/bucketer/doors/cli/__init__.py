"""The `bucketer` command."""


def run() -> None:
    """Entry point of the `bucketer` command."""
