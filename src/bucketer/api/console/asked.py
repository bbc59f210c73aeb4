"""What a request to the console asks about: an environment, a flag or experiment, a visitor."""

from __future__ import annotations

from bucketer.core.errors import InvalidRequest
from bucketer.core.user import User

from .entities import find_experiment, find_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from bucketer.core.ruleset import Ruleset

_MOST_SEGMENTS = 1_000


def text_of(body: Mapping[str, Any], name: str) -> str:
    """A text of a body; "" where it has none.

    Raises:
        InvalidRequest: something else stands there.
    """
    found = body.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise InvalidRequest(f"Field '{name}' must be a string.", field=name)
    return found


def whole_of(body: Mapping[str, Any], name: str, usual: int, least: int, most: int) -> int:
    """A whole number of a body.

    Raises:
        InvalidRequest: something else stands there, or it is out of bounds.
    """
    found = body.get(name)
    if found is None:
        return usual
    if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
        message = f"Field '{name}' must be a whole number from {least} to {most}."
        raise InvalidRequest(message, field=name)
    return found


def switch_in(body: Mapping[str, Any], name: str, *, usual: bool) -> bool:
    """A truth value of a body.

    Raises:
        InvalidRequest: something else stands there.
    """
    found = body.get(name)
    if found is None:
        return usual
    if not isinstance(found, bool):
        raise InvalidRequest(f"Field '{name}' must be true or false.", field=name)
    return found


class Subject:
    """The flag or the experiment that is asked about.

    Attributes:
        kind: `flag` or `experiment`.
        key: its key.
    """

    __slots__ = ("key", "kind")

    def __init__(self, kind: str, key: str) -> None:
        self.kind, self.key = kind, key

    def check(self, ruleset: Ruleset) -> None:
        """Let through what is there.

        Raises:
            UnknownFlag, UnknownExperiment: it isn't.
        """
        if self.kind == "flag":
            find_flag(ruleset, self.key)
        else:
            find_experiment(ruleset, self.key)


def subject_of(body: Mapping[str, Any]) -> Subject | None:
    """What a body asks about; None where it names nothing.

    Raises:
        InvalidRequest: it names both.
    """
    flag, experiment = text_of(body, "flag"), text_of(body, "experiment")
    if flag and experiment:
        raise InvalidRequest("Give one of 'flag' and 'experiment', not both.", field="flag")
    if flag:
        return Subject("flag", flag)
    return Subject("experiment", experiment) if experiment else None


def needed_subject(body: Mapping[str, Any]) -> Subject:
    """What a body asks about.

    Raises:
        InvalidRequest: it names nothing, or two.
    """
    subject = subject_of(body)
    if subject is None:
        raise InvalidRequest("Field 'flag' or 'experiment' is missing.", field="flag")
    return subject


def attributes_of(body: Mapping[str, Any]) -> dict[str, object]:
    """The visitor's attributes.

    Raises:
        InvalidRequest: they are no object.
    """
    found = body.get("attributes")
    if found is None:
        return {}
    if not isinstance(found, dict):
        message = "Field 'attributes' must be an object, attribute key to value."
        raise InvalidRequest(message, field="attributes")
    return found


def segments_of(body: Mapping[str, Any]) -> list[str] | None:
    """The segments that the visitor is to be in; None where nothing is said of them.

    Raises:
        InvalidRequest: they are no list of strings.
    """
    found = body.get("segments")
    if found is None:
        return None
    is_list = isinstance(found, list) and all(isinstance(each, str) for each in found)
    if not is_list or len(found) > _MOST_SEGMENTS:
        message = f"Field 'segments' must be a list of at most {_MOST_SEGMENTS} strings."
        raise InvalidRequest(message, field="segments")
    return list(dict.fromkeys(found))


def user_of(body: Mapping[str, Any], ruleset: Ruleset) -> User:
    """The visitor, with what is to be known of them; a bandit isn't asked for anybody here.

    Raises:
        InvalidRequest: there is no user, or something of them is misshapen.
    """
    user_id = body.get("user")
    if not isinstance(user_id, str):
        raise InvalidRequest("Field 'user' (the user's id) must be a string.", field="user")
    user = User(user_id, attributes_of(body))
    segments = segments_of(body)
    if segments is not None:
        user = user.knowing(segments=segments)
    forced = body.get("forced")
    if forced:
        is_map = isinstance(forced, dict)
        if not is_map or not all(isinstance(each, str) for each in forced.values()):
            message = "Field 'forced' must be an object, key to variation key."
            raise InvalidRequest(message, field="forced")
        flags: dict[tuple[str, str | None], str]
        flags = {(key, None): each for key, each in forced.items() if key in ruleset.flags}
        variations = {key: each for key, each in forced.items() if key in ruleset.experiments}
        user = user.knowing(forced_decisions=flags or None, forced_variations=variations or None)
    return user
