"""Options and listeners in, decisions as they happen out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bucketer.tail.tails import Tails

from .operator import covered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bucketer.api.options import ApiOptions
    from bucketer.api.streams import Notice
    from bucketer.runtime.runtime import Runtime


def add_tail(options: ApiOptions, listened: set[str], workers: int) -> Callable[[Runtime], None]:
    """Have `GET /tail` answered; return what is to be told of the runtime, once there is one."""
    tails = Tails(listened, workers=workers)
    options.tail = tails.open
    options.watch.append(tails.watched)

    def furnish(runtime: Runtime) -> None:
        def tell(notices: Iterable[Notice]) -> None:
            if runtime.on_telling is not None:
                runtime.on_telling(notices)

        tails.tell = tell
        tails.covered = partial(covered, runtime.environments)

    return furnish
