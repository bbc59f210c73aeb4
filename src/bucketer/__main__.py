"""`python -m bucketer` is the `bucketer` command."""

from bucketer.doors.cli import run

if __name__ == "__main__":
    run()
