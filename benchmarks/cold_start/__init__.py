"""Cold starts in AWS's own emulator: ours, an empty handler, and the official SDK's endpoint."""
