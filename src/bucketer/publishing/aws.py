"""boto3: imported late, with bounded waiting, its complaints turned into one line each.

Only publishing and deploying come here; it takes 300 ms to import, and decisions do without.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bucketer.core.errors import BucketerError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Long enough for any one call that publishing makes, and short enough for four that fail to fit
#: into the webhook function's time: boto3's own are a minute each, five times.
CONNECT_S, READ_S, ATTEMPTS = 3.0, 10.0, 2


class AwsMissing(BucketerError):
    """boto3 is not installed."""

    code = "aws_missing"

    def __str__(self) -> str:
        return "this needs the extra [aws]: pip install 'bucketer[aws]'"


class AwsUnusable(BucketerError):
    """AWS's own configuration (region, profile, endpoint) can't be used; the message says why."""

    code = "aws_unusable"


def open_session(region: str | None, profile: str | None = None) -> Any:
    """Return a boto3 session.

    Args:
        region: of AWS; None leaves it to the profile.
        profile: of AWS's configuration files; None is the default one.

    Raises:
        AwsMissing: there is no boto3.
        AwsUnusable: there is no such profile.
    """
    try:
        import boto3
    except ImportError as error:
        raise AwsMissing from error
    with _in_our_words():
        return boto3.Session(region_name=region or None, profile_name=profile)


def open_client(session: Any, service: str, *, read_s: float = READ_S) -> Any:
    """Return a client that gives up: `ATTEMPTS` times, each after *read_s* without a byte.

    Raises:
        AwsUnusable: no region is known, or the endpoint is no URL.
    """
    from botocore.config import Config

    patience = Config(
        connect_timeout=CONNECT_S,
        read_timeout=read_s,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )
    with _in_our_words():
        return session.client(service, config=patience)


@contextmanager
def _in_our_words() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, NoRegionError

    try:
        yield
    except NoRegionError as error:
        raise AwsUnusable("no region of AWS is known; set AWS_REGION") from error
    except (BotoCoreError, ValueError) as error:  # boto3 says ValueError to a bad endpoint
        raise AwsUnusable(str(error)) from error
