"""What a worker process makes before it answers, and undoes when it ends.

uvicorn speaks ASGI's lifespan protocol with an `Application`, and hands the state that it leaves
there to each connection. Requests never come this way: connections answer them themselves.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import sys
from functools import partial
from secrets import token_bytes
from typing import TYPE_CHECKING

from bucketer import wiring
from bucketer.api.client_address import TrustedProxies
from bucketer.core.errors import BucketerError
from bucketer.doors.server import hangup
from bucketer.doors.server.logs import configure_logs
from bucketer.doors.server.speaker import Speaker
from bucketer.doors.server.sweeper import Sweeper
from bucketer.doors.server.watchers import is_watched, watch
from bucketer.doors.server.watching import WatchedWorker
from bucketer.doors.server.words import first_lines
from bucketer.doors.server.worker import Worker
from bucketer.wiring.operator import refresh_soon

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    from bucketer.doors.server.limits import Limits
    from bucketer.metrics.collector import Collector
    from bucketer.runtime.environment import Environment
    from bucketer.runtime.runtime import Runtime
    from bucketer.settings import Settings

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_log = logging.getLogger("bucketer.server")

#: So long after one worker all have a new datafile: each looks for it once a second, and compiles.
TAKEN_UP_S = 2.5
#: After so many seconds a thread that compiles lets another one have its turn.
SWITCH_S = 0.001
#: The processes of which one is there from the start: the only one, or the first of several.
_FIRST = frozenset({"MainProcess", "SpawnProcess-1"})


def tell_editions(runtime: Runtime, worker: Worker, *, alone: bool) -> None:
    """Have those who listen told of each new edition; *alone* where there is no other worker."""
    from bucketer.api.agent.notices import config_notices  # few listen
    from bucketer.api.ofrep.streams import edition_notice

    def tell(environment: Environment) -> None:
        edition = environment.edition
        if edition is None:
            return
        revision = edition.ruleset.revision
        worker.tell_in(0.0, config_notices(environment.keys, revision))
        # Who is told this asks again, and any worker may answer.
        delay_s = 0.0 if alone else TAKEN_UP_S
        worker.tell_in(delay_s, (edition_notice(environment.id, revision),))

    runtime.environments.on_edition = tell


class Application:
    """Made in the parent, sent to each worker process, called once there by uvicorn."""

    def __init__(
        self,
        settings: Settings,
        address: str,
        limits: Limits,
        speaking: str = "",
        counting: str = "",
        warning: str = "",
    ) -> None:
        """Take what a worker needs to know.

        Args:
            settings: what is set.
            address: the URL that is printed at the start.
            limits: what clients may ask.
            speaking: a file by which several workers agree on who tells what all find out.
            counting: a directory in which they tell each other what they have counted.
            warning: what is told at the start; or "".
        """
        self._warning = warning
        self._settings = settings
        self._address = address
        self._limits = limits
        self._speaking, self._counting = speaking, counting
        self._stream_secret = token_bytes(32)  # one for all workers, which each get a copy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Live through one lifespan."""
        await receive()
        speaker = Speaker(self._speaking) if self._speaking else None
        hangup.ignore()
        said = self._settings
        files = (said.log_file, said.access_log_file)
        configure_logs(said.log_level, said.log_format, speaker, files)
        collector = self._collector()
        try:
            runtime = wiring.build(
                self._settings, collector=collector, stream_secret=self._stream_secret
            )
        except BucketerError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        runtime.keep_fresh()
        await asyncio.to_thread(runtime.wait_for_all)
        loop = asyncio.get_running_loop()
        proxies = TrustedProxies(self._settings.trusted_proxies, self._settings.address_header)
        made = WatchedWorker if is_watched(self._settings) else Worker
        worker = made(
            runtime,
            loop,
            self._limits,
            proxies,
            waits_for_disk=self._settings.events_fsync == "answer",
            listened=runtime.listened,
        )
        pulse = None
        if isinstance(worker, WatchedWorker):
            pulse = watch(worker, self._settings, collector)
        if runtime.listened is not None:
            tell_editions(runtime, worker, alone=self._settings.workers == 1)
        scope["state"]["worker"] = worker
        sweeper = Sweeper(loop, worker.connections, self._limits)
        sweeper.start()
        if multiprocessing.current_process().name in _FIRST:
            self._say(first_lines(runtime.edition, self._address))
            if self._warning:
                _log.warning(self._warning)
        # A thread that compiles must not keep the loop waiting for 5 ms at each turn.
        sys.setswitchinterval(SWITCH_S)
        # The edition lives long and refers to nothing young: collections needn't walk it.
        gc.collect()
        gc.freeze()
        hangup.hear(loop, partial(refresh_soon, runtime.environments))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for connection in list(worker.connections):  # they have had their time to leave
            connection.abort()
        sweeper.stop()
        if pulse is not None:
            pulse.stop()
        await asyncio.to_thread(worker.close)
        if collector is not None:
            collector.close()
        if speaker is not None:
            speaker.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _collector(self) -> Collector | None:
        if self._settings.metrics == "off":
            return None
        from pathlib import Path

        from bucketer.metrics.collector import Collector  # most services do without

        return Collector(Path(self._counting) if self._counting else None)

    def _say(self, lines: list[str]) -> None:
        """Tell what is served: a person at a terminal, or those who read the log as JSON."""
        if self._settings.log_format == "json":
            for line in lines:
                _log.info(line)
            return
        # Standard output is the events' alone when they go there.
        sink = wiring.events_sink(self._settings, wiring.SERVER)
        out = sys.stderr if sink == "stdout" else sys.stdout
        print("\n".join(lines), file=out, flush=True)
