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
from bucketer.api.service.webhook import read_announcement
from bucketer.core.errors import (
    BucketerError,
    InvalidRequest,
    SettingsError,
    WebhookRefused,
)
from bucketer.publishing.publisher import Publisher, build_publisher
from bucketer.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("bucketer")


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one webhook. The settings are read anew each time: these functions live seconds."""
    try:
        settings = read_settings(os.environ)
        return answer(
            event, settings, lambda: _publisher(settings, os.environ, _remaining_s(context))
        )
    except SettingsError as error:
        _log.error("webhook: %s", error)
        return _result(500, {"error": {"code": error.code, "message": "See the function's log."}})


def answer(event: Mapping[str, Any], settings: Settings, make_publisher: Any) -> dict[str, Any]:
    """Check the webhook in *event*, have it acted on, and say what became of it.

    Args:
        event: of a Function URL, an HTTP API or a REST API.
        settings: secret and project.
        make_publisher: called once the webhook is known to be genuine.
    """
    try:
        body, headers = _read(event)
        announcement = read_announcement(
            body, headers, secret=settings.webhook_secret, project_id=settings.project_id
        )
        report = make_publisher().publish(announcement)
    except WebhookRefused as error:
        _log.warning("webhook: %s", error)
        return _failed(403, error)
    except InvalidRequest as error:
        return _failed(400, error)
    except SettingsError:
        raise
    except BucketerError as error:  # the source, or what came from it: a later try may succeed
        _log.warning("webhook: %s", error)
        return _failed(503, error)
    for where, why in report.failed.items():
        _log.error("webhook: %s: %s", where, why)
    status = 500 if report.failed else 200
    return _result(
        status, {"revision": report.revision, "done": report.done, "failed": report.failed}
    )


def _remaining_s(context: Any) -> float | None:
    """Return the seconds until Lambda stops this invocation; None outside of it."""
    ask = getattr(context, "get_remaining_time_in_millis", None)
    return None if ask is None else ask() / 1000


def _publisher(
    settings: Settings, environ: Mapping[str, str], remaining_s: float | None
) -> Publisher:
    from bucketer import wiring

    if not settings.datafile_url:
        raise SettingsError(["DATAFILE_URL: found nothing; the webhook function needs it"])
    source = wiring.build_source(settings.datafile_url, settings, environ, mode=wiring.COMMAND)
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


def _failed(status: int, error: BucketerError) -> dict[str, Any]:
    return _result(status, {"error": {"code": error.code, "message": str(error)}})


def _result(status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": status, "headers": dict(JSON_HEADERS), "body": json.dumps(body)}
