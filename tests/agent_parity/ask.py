"""One HTTP request as it is written, one answer as it came. As raw as it can be."""

from __future__ import annotations

import base64
import http.client
import threading
import time
from typing import Any


def ask(host: str, port: int, step: dict[str, Any], timeout_s: float = 15.0) -> dict[str, Any]:
    """Send *step* on a connection of its own; return status, headers and body, or how it failed."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    body = _body(step)
    target = step["path"] + (f"?{step['query']}" if step.get("query") is not None else "")
    try:
        connection.putrequest(step["method"], target, skip_host=True, skip_accept_encoding=True)
        names = {name.lower() for name, _ in step.get("headers", ())}
        if "host" not in names:
            connection.putheader("Host", f"{host}:{port}")
        for name, value in step.get("headers", ()):
            connection.putheader(name, value)
        if body is not None and not names & {"content-length", "transfer-encoding"}:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        headers = sorted(
            [name.lower(), value] for name, value in response.getheaders() if name.lower() != "date"
        )
        if step.get("stream"):
            return {
                "status": response.status,
                "headers": headers,
                **_text(_read_for(connection, response, step["stream"])),
            }
        return {"status": response.status, "headers": headers, **_text(response.read())}
    except (http.client.HTTPException, OSError, ValueError) as error:
        return {"dropped": type(error).__name__}
    finally:
        connection.close()


def _read_for(
    connection: http.client.HTTPConnection, response: http.client.HTTPResponse, seconds: float
) -> bytes:
    """Read a stream until it ends or *seconds* have passed."""
    found, until = b"", time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if connection.sock is not None:
            connection.sock.settimeout(left)
        try:
            part = response.read1(65536)
        except TimeoutError:
            break
        if not part:
            break
        found += part
    return found


def _body(step: dict[str, Any]) -> bytes | None:
    if "body_b64" in step:
        return base64.b64decode(step["body_b64"])
    return step["body"].encode("utf-8", "surrogatepass") if step.get("body") is not None else None


def _text(raw: bytes) -> dict[str, str]:
    try:
        return {"body": raw.decode("utf-8")}
    except UnicodeDecodeError:
        return {"body_b64": base64.b64encode(raw).decode()}


class Streaming:
    """A stream that is read while other steps run."""

    def __init__(self, host: str, port: int, step: dict[str, Any]) -> None:
        self.answer: dict[str, Any] = {}
        self._thread = threading.Thread(target=lambda: self.answer.update(ask(host, port, step)))
        self._thread.start()
        time.sleep(0.15)

    def wait(self) -> dict[str, Any]:
        self._thread.join()
        return self.answer
