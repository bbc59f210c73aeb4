"""The webhook function: a newer datafile is announced, and goes where it serves from.

A Lambda function of its own (handler ``bucketer.doors.webhook.lambda_handler``), behind a Function
URL or an API Gateway. It answers when everything is done, so that Optimizely's list of deliveries
shows what became of each.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import os
from typing import TYPE_CHECKING, Any

from bucketer.api.http import JSON_HEADERS
from bucketer.api.options import WebhookRule
from bucketer.api.service.webhook import concerned, parse_announcement
from bucketer.core.errors import (
    BucketerError,
    InvalidRequest,
    SettingsError,
    WebhookRefused,
)
from bucketer.publishing.publisher import Publisher, build_publisher
from bucketer.settings import Settings, read_settings
from bucketer.wiring.datafiles import build_source
from bucketer.wiring.modes import COMMAND
from bucketer.wiring.webhooks import published_at, taking_webhooks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bucketer.api.service.webhook import Announcement

_log = logging.getLogger("bucketer")

_REFUSED = 403


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one webhook. The settings are read anew each time: these functions live seconds."""

    def make_publisher(theirs: Settings) -> Publisher:
        return _publisher(theirs, os.environ, _remaining_s(context))

    try:
        return answer(event, read_settings(os.environ), make_publisher)
    except SettingsError as error:
        _log.error("webhook: %s", error)
        return _result(500, {"error": {"code": error.code, "message": "See the function's log."}})


def answer(
    event: Mapping[str, Any], settings: Settings, make_publisher: Callable[[Settings], Publisher]
) -> dict[str, Any]:
    """Check the webhook in *event*, have it acted on, and say what became of it.

    Where there are several environments, all whom it concerns are published, each whatever becomes
    of the others.

    Args:
        event: of a Function URL, an HTTP API or a REST API.
        settings: have secret and project of each environment.
        make_publisher: called with the settings of each that is to be published.
    """
    theirs = taking_webhooks(settings) or {"": settings}
    rules = [WebhookRule(n, each.webhook_secret, each.project_id) for n, each in theirs.items()]
    try:
        body, headers = _read(event)
        names = concerned(body, headers, rules)
    except WebhookRefused as error:
        _log.warning("webhook: %s", error)
        return _result(403, _failed(error))
    except InvalidRequest as error:
        return _result(400, _failed(error))
    announcement = parse_announcement(body)
    found = {}
    for each in _announced(announcement, [theirs[name] for name in names]):
        found[each.environment] = _publish(announcement, make_publisher, each)
    if not settings.environments:
        return _result(*found[settings.environment])
    # A secret may be that of several projects, of which the webhook is about one.
    refused = all(status == _REFUSED for status, _ in found.values())
    acted = found if refused else {n: it for n, it in found.items() if it[0] != _REFUSED}
    status = max(status for status, _ in acted.values())
    return _result(status, {"environments": {name: said for name, (_, said) in acted.items()}})


def _announced(announcement: Announcement, whom: list[Settings]) -> list[Settings]:
    """Return those whose datafile's name *announcement* has; all, if it has none of theirs."""
    if len(whom) == 1:
        return whom
    named = [each for each in whom if announcement.revision_of(published_at(each))]
    return named or whom


def _publish(
    announcement: Announcement, make_publisher: Callable[[Settings], Publisher], theirs: Settings
) -> tuple[int, dict[str, Any]]:
    """Act on *announcement* for one environment; return the status and what is said of it.

    Raises:
        SettingsError: they name nothing to fetch from, or a target can't be spoken to.
    """
    try:
        report = make_publisher(theirs).publish(announcement)
    except SettingsError:
        raise
    except BucketerError as error:  # the source, or what came from it: a later try may succeed
        _log.warning("webhook: %s: %s", theirs.environment, error)
        return _REFUSED if isinstance(error, WebhookRefused) else 503, _failed(error)
    for where, why in report.failed.items():
        _log.error("webhook: %s: %s: %s", theirs.environment, where, why)
    said = {"revision": report.revision, "done": report.done, "failed": report.failed}
    return 500 if report.failed else 200, said


def _remaining_s(context: Any) -> float | None:
    """Return the seconds until Lambda stops this invocation; None outside of it."""
    ask = getattr(context, "get_remaining_time_in_millis", None)
    return None if ask is None else ask() / 1000


def _publisher(
    settings: Settings, environ: Mapping[str, str], remaining_s: float | None
) -> Publisher:
    source = build_source(published_at(settings), settings, environ, mode=COMMAND)
    assert source is not None  # noqa: S101 -- only ``packaged`` gives none, and that is no URL
    return build_publisher(settings, source, environ, remaining_s)


def _read(event: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Return body and headers, whichever HTTP trigger it was.

    Raises:
        InvalidRequest: it is none of them.
    """
    body, headers = event.get("body") or "", event.get("headers") or {}
    if not (isinstance(body, str) and isinstance(headers, dict)):
        raise InvalidRequest("That is no HTTP request.", field="body")
    lower = {str(name).lower(): str(value) for name, value in headers.items()}
    if not event.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass"), lower
    try:
        return base64.b64decode(body, validate=True), lower
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest("The body is not the base64 that it claims to be.") from error


def _failed(error: BucketerError) -> dict[str, Any]:
    return {"error": {"code": error.code, "message": str(error)}}


def _result(status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": status, "headers": dict(JSON_HEADERS), "body": json.dumps(body)}
