"""What a connection of the server meets: a transport, a loop and uvicorn's state."""

from __future__ import annotations


class Transport:
    """A transport that takes everything and remembers whether it may be read from."""

    def __init__(self):
        self.written = []
        self.reading = True

    def set_write_buffer_limits(self, high):
        pass

    def get_extra_info(self, name):
        return ("192.0.2.1", 1) if name == "peername" else None

    def write(self, data):
        self.written.append(data)

    def get_write_buffer_size(self):
        return 0

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def can_write_eof(self):
        return False

    def close(self):
        self.reading = False


class Loop:
    """Keeps what is to be called soon; a turn calls it."""

    def __init__(self):
        self.soon = []

    def call_soon(self, call):
        self.soon.append(call)

    def turn(self):
        calls, self.soon = self.soon, []
        for call in calls:
            call()


class State:
    """What uvicorn gives to each connection."""

    def __init__(self):
        self.connections = set()
        self.default_headers = []
