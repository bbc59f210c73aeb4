"""The debug block: which datafile decided, on what, and why. Only built when asked for."""

from __future__ import annotations

from bucketer.core.change_words import changes_json
from bucketer.core.counterfactuals import counterfactuals
from bucketer.core.slips import unknown_attributes

#: What a debug answer shows of a text.
MOST_CHARS = 1_000
#: How much is tried for it: others wait meanwhile. See `counterfactuals.BUDGET`.
_TRIES = 400

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from bucketer.api.options import ApiOptions
    from bucketer.core.decision import Decision
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import User
    from bucketer.ports import EditionFacts

    class Told(Protocol):
        """A `Reason`, or one with more beside it."""

        def to_json(self) -> dict[str, object]:
            """Return its code, its sentence and its values."""
            ...


#: A request may have begun before the edition that answers it was fetched.
_SAME_MOMENT_S = 1.0


def debug_block(
    edition: EditionFacts,
    options: ApiOptions,
    now: float,
    user: User,
    decision: Decision,
    trace: Iterable[Told],
) -> dict[str, object]:
    """Return the block in the order of its documentation; *now* is epoch seconds."""
    block: dict[str, object] = {
        "project_id": edition.ruleset.project_id,
        "account_id": edition.ruleset.account_id,
        "time": utc(now),
        "datafile": datafile_block(edition, options, now, options.show_datafile),
        "user_attributes": {key: _cut(value) for key, value in user.attributes.items()},
        "reasons": [_cut(reason.to_json()) for reason in trace],
    }
    if user.segments is not None:
        block["segments"] = [_cut(each) for each in user.segments]
    changes = _changes(edition.ruleset, user, decision)
    if changes is not None:
        block["changes"] = _cut(changes)
    slips = unknown_attributes(edition.ruleset, user.attributes)
    if slips:
        block["unknown_attributes"] = slips
    if decision.error is not None:
        block["error"] = decision.error
    return block


def _changes(ruleset: Ruleset, user: User, decision: Decision) -> dict[str, object] | None:
    """Return what would have to change for another variation; None where several were decided."""
    if decision.flag_key:
        found = counterfactuals(ruleset, user, flag_key=decision.flag_key, budget=_TRIES)
    elif decision.rule_key:
        key = decision.rule_key
        found = counterfactuals(ruleset, user, experiment_key=key, budget=_TRIES)
    else:
        return None
    return changes_json(found)


def _cut(value: object) -> object:
    """The same, with longer texts cut: a reason may name the same one again and again."""
    if isinstance(value, str) and len(value) > MOST_CHARS:
        return f"{value[:MOST_CHARS]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: _cut(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_cut(each) for each in value]
    return value


def datafile_block(
    edition: EditionFacts, options: ApiOptions, now: float, show: str
) -> dict[str, object]:
    """Return what may be told of the datafile in use; what isn't known is left out.

    Args:
        edition: the one in use.
        options: what is wrong with its sources.
        now: epoch seconds.
        show: its URL ``full``, its ``host``, or neither (``off``).
    """
    block: dict[str, object] = {}
    if show == "full":
        block["url"] = edition.label
    elif show == "host":
        block["url"] = host_of(edition.label)
    block["revision"] = edition.ruleset.revision
    if edition.etag is not None:
        block["etag"] = edition.etag
    # A time that is yet to come is of a clock that was set back since: nobody knows when.
    if edition.fetched_at is not None and edition.fetched_at <= now + _SAME_MOMENT_S:
        block["fetched_at"] = utc(edition.fetched_at)
        block["age_s"] = round(max(0.0, now - edition.fetched_at), 3)
    trouble = options.freshness().get("trouble") if options.freshness is not None else None
    if trouble:
        block["trouble"] = trouble
    return block


def host_of(label: str) -> str:
    """Return the host of a URL, whose path holds the SDK key, or the name of a file."""
    _, separator, rest = label.partition("://")
    if separator:
        return rest.partition("/")[0].rpartition("@")[2].partition("?")[0]
    return label.rpartition("/")[2]


def utc(epoch_s: float) -> str:
    """Format *epoch_s* as the first lambda-pybucketer did: ``2018-04-09 17:06:02.698754``, UTC."""
    from datetime import UTC, datetime  # 0.8 ms of cold start that only debug and health need

    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
