"""What the console refuses, in its own words; answered by `api.ConsoleApi`."""

from __future__ import annotations

from bucketer.api.http import Response
from bucketer.api.json_text import to_json
from bucketer.api.problems import describe, headers_of
from bucketer.core.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.api.http import Request

#: Of every answer: for whoever asked, once, and nothing to be looked at as a page.
PRIVATE = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)
JSON = (("Content-Type", "application/json"), *PRIVATE)


class Refused(Exception):
    """The console doesn't answer that.

    Attributes:
        status: of the answer.
        code: stable name of the reason.
        message: one sentence for who asked.
        headers: what the answer adds.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(status, code, message, headers)
        self.status, self.code, self.message, self.headers = status, code, message, headers

    def __str__(self) -> str:
        return self.message


def refusal(request: Request, error: Exception, status: int) -> Response:
    """Answer *error* with a code and a sentence, and the field at fault where one is."""
    if isinstance(error, Refused):
        told: dict[str, str] = {"code": error.code, "message": error.message}
        headers = JSON + error.headers
    else:
        told, headers = describe(error), JSON + headers_of(error)
        if isinstance(error, InvalidRequest) and error.field:
            told["field"] = error.field
        suggestion = getattr(error, "suggestion", None)
        if suggestion:
            told["suggestion"] = suggestion
    text = to_json({"error": told})
    return Response(status, headers, text.encode("ascii"), request.request_id)
