"""Tokens in the place of impressions: `exposure` in the metadata of what was evaluated."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quote

from bucketer.api.exposure import check_given, expires_at, namer, token_of
from bucketer.api.signed import uuid_by

from .impressions import events_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bucketer.api.options import ApiOptions
    from bucketer.core.decision import Decision
    from bucketer.core.events import Event
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import User


def period_of(options: ApiOptions, now: float) -> str:
    """Return what is another text when tokens of the same decision are others."""
    expires_s = expires_at(options, now)
    return f"{expires_s} {uuid_by(check_given(options), b'%d' % expires_s)}"


def exposing(text: str, events: Sequence[Event], options: ApiOptions, now: float) -> str:
    """Return the JSON text of one evaluation with the token that exposes *events*, if any.

    Raises:
        InvalidRequest, ExposureTooLarge: see `exposure.token_of`.
    """
    return _with_token(text, token_of(events, options, now))


class Tokens:
    """The tokens of what one bulk evaluation decides, the same for a while.

    A client that finds one flag's JSON other than before tells its page that the flag has changed,
    so a token must not be another one each time.
    """

    def __init__(self, user: User, ruleset: Ruleset, options: ApiOptions, now: float) -> None:
        """Make them for *user*, at *now* in epoch seconds.

        Raises:
            InvalidRequest: nothing is set to sign with.
        """
        self._user, self._ruleset, self._options, self._now = user, ruleset, options, now
        self._expires_s = expires_at(options, now)
        self._name = namer(options, self._expires_s, user)
        self._made: dict[int, str | None] = {}

    def put(self, text: str, decision: Decision) -> str:
        """Return the JSON text of an evaluation of *decision* with its token, if it has one.

        Raises:
            ExposureTooLarge: it has, and that would be too long.
        """
        if id(decision) not in self._made:  # the caller keeps all of them
            self._made[id(decision)] = self._token(decision)
        return _with_token(text, self._made[id(decision)])

    def _token(self, decision: Decision) -> str | None:
        if not self._options.makes_events:
            return None
        names = iter([self._name(each) for each in dict.fromkeys(decision.impressions)])
        events = events_of([decision], self._user, self._ruleset, self._now, lambda: next(names))
        return token_of(events, self._options, self._now, self._expires_s)


def _with_token(text: str, token: str | None) -> str:
    return text if token is None else f'{text[:-2]}, "exposure": {quote(token)}}}}}'
