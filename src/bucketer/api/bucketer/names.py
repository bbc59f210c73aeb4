"""How a caller may name a parameter, and what a JSON body gives for it.

Both routes take the short names of a URL and the long ones that programs write. A user who is
named in a way that nobody here understands is refused: the caller's address, which stands in for
a user who isn't named, would be somebody else's (docs/decisions/0091).
"""

from __future__ import annotations

from bucketer.api.http import LATER
from bucketer.api.query import OF_BUCKETER, OF_TRACK, given_by_two, given_twice, unquote
from bucketer.core.errors import InvalidRequest

from .attributes import check_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_SWITCHES = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
#: What an error's answer tells of its request.
_TOLD = frozenset(("e", "f", "ev", "u"))
_LONGEST_WORD = 5
_TEXTS = frozenset(("e", "f", "ev", "u", "id", "timestamp"))
_TEXT_OR_INTEGER = frozenset(("u", "id", "timestamp"))
_EXAMPLES = {"a": '{"tier": "platinum"}', "tags": '{"revenue": 4200}'}
#: What a user is called elsewhere: in lower case, letters and digits only.
_OURS_MISSPELT = frozenset(("u", "user", "userid"))
_USERS = _OURS_MISSPELT | {
    "id",  # of /bucketer; to /track it is the event's
    *("uid", "usr", "usrid", "userkey", "username", "userref", "userguid", "useruuid"),
    *("visitor", "visitorid", "visitorkey", "visitoruuid", "vid", "customer", "customerid"),
    *("customerkey", "client", "clientid", "member", "memberid", "person", "personid"),
    *("account", "accountid", "profileid", "login", "email", "subject", "subscriberid"),
    *("anonymousid", "anonid", "deviceid", "distinctid", "enduserid", "targetingkey"),
    *("contextkey", "bucketingid"),
}
#: What means something on some route, and no user on any. An `id` of /bucketer might.
_NO_USERS = frozenset({*OF_BUCKETER, *OF_TRACK, "revision"} - {"id"})
_HOW = "name the user by 'u', 'user', 'userId' or 'user_id'"
_MOST_CHARS = 40


def fields_of(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Read the parameters that a JSON object names; what is null or empty is left out.

    Args:
        given: the object.
        names: `OF_BUCKETER` or `OF_TRACK`; other members are ignored.

    Returns:
        by the route's own names: switches as bool, attributes and tags as objects, all else as
        text (an integer by its decimal digits).

    Raises:
        InvalidRequest: a value has the wrong type, two names give two values for one thing, or
            the user is named in a way that isn't understood.
    """
    fields: dict[str, Any] = {}
    for name, found in given.items():
        if name not in names:
            continue
        key = names[name]
        if type(found) is str and key in _TEXTS:  # nearly always
            value: Any = found
        else:
            value = _from_json(key, name, found)
        if value == "":
            continue
        if key in fields and not same(fields[key], value):
            empty = (None, "")
            before = next(n for n in given if names.get(n) == key and given[n] not in empty)
            raise given_by_two(before, name)
        fields[key] = value
    return fields


def add_query(fields: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Add to the *fields* of a body what the query gives beside it; what is empty is left out.

    Raises:
        InvalidRequest: both give one thing, and not the same.
    """
    for key, value in given.items():
        if value == "":
            continue
        if fields.get(key) is not None and not same(fields[key], value):
            raise given_twice(key)
        fields[key] = value


def understood_of(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Read what an error's answer tells of its request: keys and the user, where they are sound.

    Returns:
        as `fields_of`, less what is wrong; "u" is None where the body may name a user after all.
    """
    fields: dict[str, Any] = {}
    for name, key in names.items():
        if key in _TOLD and name in given and key not in fields:
            try:
                fields.update(fields_of({name: given[name]}, {name: key}))
            except InvalidRequest:
                fields[key] = None
    if "u" not in fields and any(name not in names and name not in _NO_USERS for name in given):
        fields["u"] = None
    return fields


def check_user(given: Iterable[str], names: Mapping[str, str], *, named: bool) -> None:
    """Refuse a body that means to name a user and doesn't.

    Args:
        given: the names in it.
        names: those that are understood.
        named: whether one of them names the user. If none does, any other name might.

    Raises:
        InvalidRequest: it does.
    """
    for name in given:
        if name in names or name in _NO_USERS or (named and _plain(name) not in _OURS_MISSPELT):
            continue
        shown = name[:_MOST_CHARS].encode("ascii", "backslashreplace").decode()
        why = "so it may name a user" if not named else "and looks like a user's"
        message = f"The name '{shown}' isn't known here, {why}; {_HOW}, or leave it out."
        raise InvalidRequest(message, field="u")


def check_user_of_query(query: str, names: Mapping[str, str]) -> None:
    """Refuse a query without a user that names one in a way that isn't understood.

    Unlike a body's, other names are allowed: whoever links to us adds some.

    Raises:
        InvalidRequest: it does.
    """
    for piece in query.split("&"):
        name = piece.partition("=")[0]
        if "%" in name:
            try:
                name = unquote(name)
            except UnicodeError:
                continue
        if name not in names and _plain(name) in _USERS:
            shown = name[:_MOST_CHARS].encode("ascii", "backslashreplace").decode()
            message = f"Parameter '{shown}' isn't known here; {_HOW}, or leave it out."
            raise InvalidRequest(message, field="u")


def switch_of(word: str | bool, name: str) -> bool:
    """Read a switch: what programs and people write for on and off, in any case.

    Raises:
        InvalidRequest: it is no such word.
    """
    if isinstance(word, bool):
        return word
    found = _SWITCHES.get(word)
    if found is None and len(word) <= _LONGEST_WORD:
        found = _SWITCHES.get(word.lower())
    if found is None:
        message = f"Parameter '{name}' must be 1, true, yes, on, 0, false, no or off."
        raise InvalidRequest(message, field=name)
    return found


def tracking_of(word: str | bool) -> bool | str:
    """Read `track`: a switch, or `LATER`.

    Raises:
        InvalidRequest: it is neither.
    """
    if isinstance(word, str) and len(word) <= _LONGEST_WORD and word.lower() == LATER:
        return LATER
    try:
        return switch_of(word, "track")
    except InvalidRequest as error:
        message = f"{str(error).removesuffix(' or off.')}, off or {LATER}."
        raise InvalidRequest(message, field="track") from None


def _from_json(key: str, name: str, value: object) -> object:
    """Turn the value of a JSON body into what the route works with; "" is absent.

    Raises:
        InvalidRequest: the value has the wrong type.
    """
    if value is None or value == "":
        return ""
    if key in _EXAMPLES:
        if isinstance(value, dict):
            if key == "a":
                check_attributes(value, name)
            return value
        problem = f"must be a JSON object in a body, such as {_EXAMPLES[key]}"
    elif key in {"debug", "track", "segments"}:
        if isinstance(value, (bool, str)):
            return tracking_of(value) if key == "track" else switch_of(value, name)
        if type(value) is int:
            return switch_of(str(value), name)
        problem = "must be true or false"
    elif isinstance(value, str) or (key == "forced" and isinstance(value, dict)):
        return value
    elif key not in _TEXT_OR_INTEGER:
        problem = "must be a string"
    elif type(value) is int:
        return str(value)
    else:
        problem = "must be a string or an integer"
    raise InvalidRequest(f"Parameter '{name}' {problem}.", field=name)


def same(one: object, other: object) -> bool:
    """Say whether two values of a field are one and the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        from bucketer.api.body import same_json

        return same_json(one, other)
    return type(one) is type(other) and one == other


def _plain(name: str) -> str:
    """Lower case, letters and digits only: all spellings of one name become one."""
    return "".join(filter(str.isalnum, name[:_MOST_CHARS])).lower()
