"""Lambda events in, `Request`s; `Response`s in, Lambda answers. All four HTTP triggers.

API Gateway REST (and HTTP API in format 1.0), HTTP API and Function URL (format 2.0), and
Application Load Balancer, each with its own idea of what a query string is: the table stands
in docs/decisions/0023. Whatever else arrives gets a 400, never a crash.

``app.py`` in the root of the zip makes the handler, at import: docs/decisions/0022.
"""

from __future__ import annotations

import logging
import time
from json import dumps

from bucketer.api.client_address import FORWARDED_FOR, TrustedProxies, read_address
from bucketer.api.http import Request, Response, is_sane_request_id, one_value_each
from bucketer.api.query import quote
from bucketer.runtime.ids import new_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from bucketer.runtime.runtime import Runtime

_log = logging.getLogger("bucketer")

_HEALTH = "/health"
#: What is kept of the function's time-out for making the answer, when a prediction is late.
_SPARE_S = 0.5
#: `statusDescription`, which load balancers insist on.
_REASONS = {
    200: "OK",
    202: "Accepted",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    414: "URI Too Long",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


_TEXT = frozenset((str,))
#: What is believed unless a setting says more: nobody but AWS.
_NOBODY = TrustedProxies()


class UnknownTrigger(Exception):
    """The event is not an HTTP request that this door knows."""


def make_handler(
    runtime: Runtime,
    answered: Callable[[], object] | None = None,
    proxies: TrustedProxies = _NOBODY,
) -> Callable[[object, object], dict[str, Any]]:
    """Return the function that Lambda calls.

    Args:
        runtime: serves every request of this execution environment.
        answered: called after each answer is made, before Lambda has it: tells the internal
            extension that there may be something for `runtime.after_response` to do.
        proxies: who may stand between visitors and AWS (CloudFront), and is believed.
    """

    def lambda_handler(event: object, context: object) -> dict[str, Any]:
        """Answer one invocation. Never raises."""
        fallback_id = getattr(context, "aws_request_id", None) or new_uuid()
        try:
            request = to_request(event, fallback_id, proxies)
            return to_result(event, runtime.serve(request, lambda: _deadline(context)))
        except UnknownTrigger as error:
            return to_result(event, _unknown(event, str(error), fallback_id, runtime))
        except Exception:  # noqa: BLE001 -- the last resort: logged, and answered as a 500
            _log.exception("request %s failed", fallback_id)
            return to_result(event, _failed(event, fallback_id, runtime))
        finally:
            if answered is not None:
                answered()

    return lambda_handler


def _deadline(context: object) -> float | None:
    """Return when the answer must be on its way, by `time.monotonic`; None if nobody says."""
    remaining_ms = getattr(context, "get_remaining_time_in_millis", None)
    return None if remaining_ms is None else time.monotonic() + remaining_ms() / 1000 - _SPARE_S


def to_request(event: object, fallback_id: str, proxies: TrustedProxies = _NOBODY) -> Request:
    """Read *event*, whichever of the known triggers it came from.

    Args:
        event: as Lambda passes it.
        fallback_id: the request's id when the caller gave none that can be used.
        proxies: whose word is taken for where the request came from.

    Raises:
        UnknownTrigger: it is none of them, or a part of it has an impossible shape.
    """
    if not isinstance(event, dict):
        message = f"expected an object, found {type(event).__name__}"
        raise UnknownTrigger(message)
    context = event.get("requestContext")
    try:
        if isinstance(context, dict):
            if "elb" in context:
                return _from_load_balancer(event, fallback_id, proxies)
            if "http" in context:
                return _from_format_2(event, context, fallback_id, proxies)
            if "httpMethod" in event:
                return _from_format_1(event, context, fallback_id, proxies)
        elif _is_warm_up(event):
            return Request("GET", _HEALTH, request_id=fallback_id)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"a part of it has an unexpected shape ({type(error).__name__}: {error})"
        raise UnknownTrigger(message) from error
    found = ", ".join(sorted(map(str, event))[:5]) or "nothing"
    message = f"expected requestContext and a method, found the keys: {found[:200]}"
    raise UnknownTrigger(message)


def to_result(event: object, response: Response) -> dict[str, Any]:
    """Render *response* as the trigger that sent *event* wants it."""
    result: dict[str, Any] = {
        "statusCode": response.status,
        "headers": dict(response.all_headers()),
        "body": response.body.decode("ascii"),
        "isBase64Encoded": False,
    }
    if _is_load_balancer(event):
        reason = _REASONS.get(response.status, "Unknown")
        result["statusDescription"] = f"{response.status} {reason}"
        # The target group takes the form that it sent, and drops the other without a word.
        if isinstance(event, dict) and event.get("multiValueHeaders") is not None:
            headers = result.pop("headers")
            result["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
    return result


def run_after_restore(*hooks: Callable[[], None]) -> None:
    """Have a copy of a SnapStart snapshot call *hooks* before its first request.

    The runtime client has imported its hooks library before us if this is Lambda; anywhere
    else there is none, and nothing to do.
    """
    import sys

    library = sys.modules.get("snapshot_restore_py")
    if library is not None:
        for hook in hooks:
            library.register_after_restore(hook)


# The four triggers


def _from_format_1(
    event: Mapping[str, Any],
    context: Mapping[str, Any],
    fallback_id: str,
    proxies: TrustedProxies,
) -> Request:
    """API Gateway REST: the query is decoded; its duplicates are in the multi-value form."""
    multiple = event.get("multiValueQueryStringParameters")
    if multiple is None:
        multiple = _as_lists(event.get("queryStringParameters"))
    query = "&".join(
        f"{quote(name)}={quote(value)}" for name, values in multiple.items() for value in values
    )
    headers = _headers(event)
    path = _text(event["path"])
    resource = event.get("resource")
    route = _matched(resource, event)
    if context.get("path") == path and (route is None or resource != route == path):
        # The stage may still be there: HTTP APIs and emulators leave it, a REST API cuts it off.
        path = _without_stage(path, context)
    elif route is not None:
        path = route
    return Request(
        _text(event["httpMethod"]),
        path,
        query,
        headers,
        _body(event),
        _visitor((context.get("identity") or {}).get("sourceIp"), headers, proxies),
        _request_id(headers, fallback_id),
    )


def _from_format_2(
    event: Mapping[str, Any],
    context: Mapping[str, Any],
    fallback_id: str,
    proxies: TrustedProxies,
) -> Request:
    """HTTP API and Function URL: the query is raw; a named stage stands before the path."""
    http = context["http"]
    path = _text(event["rawPath"])
    _, _, template = _text(event.get("routeKey") or "").partition(" ")
    route = _matched(template, event)
    headers = _headers(event)
    return Request(
        _text(http["method"]),
        _without_stage(path, context) if route is None else route,
        _text(event.get("rawQueryString") or ""),
        headers,
        _body(event),
        _visitor(http.get("sourceIp"), headers, proxies),
        _request_id(headers, fallback_id),
    )


def _from_load_balancer(
    event: Mapping[str, Any], fallback_id: str, proxies: TrustedProxies
) -> Request:
    """ALB: the query is cut into pieces but not decoded; the address is in a header only.

    It is the last in that header, which the balancer itself saw. Whatever stands before it came
    with the request, so a client may have chosen it.
    """
    multiple = event.get("multiValueQueryStringParameters")
    if multiple is None:
        multiple = _as_lists(event.get("queryStringParameters"))
    headers = _headers(event)
    return Request(
        _text(event["httpMethod"]),
        _text(event["path"]),
        "&".join(f"{name}={value}" for name, values in multiple.items() for value in values),
        headers,
        _body(event),
        _visitor(headers.get(FORWARDED_FOR, "").rpartition(",")[2].strip(), headers, proxies),
        _request_id(headers, fallback_id),
    )


def _matched(template: object, event: Mapping[str, Any]) -> str | None:
    """Return the path as the gateway's own route has it, whatever a custom domain puts in front.

    A gateway says which of its routes matched. ``/bucketer`` is the path itself; what
    ``/{proxy+}`` stands for is among the path parameters. None where it says neither.
    """
    if not isinstance(template, str) or not template.startswith("/"):
        return None
    if "{" not in template:
        return template
    if template.startswith("/{") and template.endswith("+}") and template.count("{") == 1:
        rest = (event.get("pathParameters") or {}).get(template[2:-2])
        return f"/{rest}" if isinstance(rest, str) else None
    return None


def _without_stage(path: str, context: Mapping[str, Any]) -> str:
    """Return *path* without the stage that the gateway says it came through."""
    stage = context.get("stage")
    if not isinstance(stage, str) or not (f"{path}/").startswith(f"/{stage}/"):
        return path
    return path[len(stage) + 1 :] or "/"


def _visitor(peer: object, headers: Mapping[str, str], proxies: TrustedProxies) -> str:
    """Return the visitor's address: what AWS saw, or what a trusted proxy says it saw."""
    address = read_address(_text(peer or ""))
    return proxies.visitor(address, headers) if proxies.trusts(address) else address


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    multiple = event.get("multiValueHeaders")
    if multiple is None:
        single = event.get("headers") or {}
        headers = {name.lower(): value for name, value in single.items()}
        if len(headers) == len(single) and _TEXT.issuperset(map(type, headers.values())):
            return headers
        multiple = _as_lists({name: each for name, each in single.items() if each is not None})
    return one_value_each(
        (name, _text(value)) for name, values in multiple.items() for value in values
    )


def _as_lists(single: Mapping[str, Any] | None) -> dict[str, list[Any]]:
    return {name: [value] for name, value in (single or {}).items()}


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body")
    if not body:
        return b""
    if not event.get("isBase64Encoded"):
        # What isn't Unicode must reach the JSON parser, and be refused there.
        return _text(body).encode("utf-8", "surrogatepass")
    from binascii import a2b_base64  # the base64 module would cost a cold start 1 ms

    return a2b_base64(_text(body))


def _text(value: object) -> str:
    """Pass a string on.

    Raises:
        TypeError: it is something else, so the event is not what it seemed to be.
    """
    if not isinstance(value, str):
        message = f"expected a string, found {type(value).__name__}"
        raise TypeError(message)
    return value


def _request_id(headers: Mapping[str, str], fallback_id: str) -> str:
    given = headers.get("x-request-id")
    if given is None:
        return fallback_id
    return given if is_sane_request_id(_text(given)) else fallback_id


def _is_load_balancer(event: object) -> bool:
    context = event.get("requestContext") if isinstance(event, dict) else None
    return isinstance(context, dict) and "elb" in context


def _is_warm_up(event: Mapping[str, Any]) -> bool:
    """Recognise what keeps functions warm: a schedule, the Serverless plug-in, ``warmup``."""
    return (
        event.get("detail-type") == "Scheduled Event"
        or event.get("source") == "serverless-plugin-warmup"
        or event.get("warmup") is True
    )


# Answers without a request


def _unknown(event: object, why: str, fallback_id: str, runtime: Runtime) -> Response:
    message = (
        "This function answers HTTP requests from API Gateway, a Function URL or a load "
        f"balancer. This event is none of them: {why}."
    )
    error = {"code": "invalid_request", "message": message}
    return _refusal(400, error, event, fallback_id, runtime)


def _failed(event: object, fallback_id: str, runtime: Runtime) -> Response:
    from bucketer.api.problems import UNFORESEEN

    error = {"code": "internal_error", "message": UNFORESEEN}
    return _refusal(500, error, event, fallback_id, runtime)


def _refusal(
    status: int, error: dict[str, str], event: object, fallback_id: str, runtime: Runtime
) -> Response:
    """Answer with *error*; with the caller's request id and origin, if the event has them."""
    from bucketer.api.refusals import shaped

    path = ""
    if isinstance(event, dict):
        path = str(event.get("rawPath") or event.get("path") or "")
    body = dumps(shaped(path, **error))
    try:
        asked = _headers(event)  # type: ignore[arg-type]  # or the next line
        headers, request_id = runtime.handler.headers_for(asked), _request_id(asked, fallback_id)
    except (AttributeError, TypeError, ValueError):
        headers, request_id = runtime.handler.json_headers, fallback_id
    return Response(status, headers, body.encode("ascii"), request_id)
