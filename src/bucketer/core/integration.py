"""What a datafile says of Optimizely Data Platform (ODP).

An audience may ask whether ODP counts a user to a *segment*. Which ones a user is in is fetched by
the shell, when a request wants it.
"""

from __future__ import annotations


class Integration:
    """What the datafile says of ODP.

    Attributes:
        host: where it is asked: `https://api.zaius.com`.
        public_key: names the ODP account; part of the datafile, no secret.
        segments: all that the datafile's audiences ask about, each once, in its order.
    """

    __slots__ = ("host", "public_key", "segments")

    def __init__(self, host: str, public_key: str, segments: tuple[str, ...]) -> None:
        self.host, self.public_key, self.segments = host, public_key, segments
