"""Credentials for AWS: from the environment, from the container's endpoint, or else from boto3."""

from __future__ import annotations

import json
import time

from bucketer import wire
from bucketer.clock import SteadyClock
from bucketer.core.errors import SourceError

from .sigv4 import Credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Temporary credentials are renewed this long before they end.
_EARLY_S = 300.0
_ECS_ENDPOINT = "http://169.254.170.2"
_WHERE = "AWS credentials"


class CredentialChain:
    """Finds credentials, and again when they are about to end. Call it to get `Credentials`.

    Lambda puts them into the environment, and into an endpoint of the container when SnapStart is
    on; ECS and EKS use the endpoint. Everything else (profiles, EC2, web identity) is left to
    boto3, where it is installed.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look into *environ* first; *clock* gives epoch seconds, by which credentials end."""
        self._environ = environ
        self._clock, self._steady = clock, SteadyClock(clock, monotonic)
        self._kept: Credentials | None = None
        self._until = 0.0  # by the steady clock, or one that is set back would make them eternal

    def __call__(self) -> Credentials:
        """Return credentials that are valid now.

        Raises:
            SourceError: there are none.
        """
        environ = self._environ
        key_id, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
        if key_id and secret:
            return Credentials(key_id, secret, environ.get("AWS_SESSION_TOKEN") or None)
        if self._kept is None or self._steady() >= self._until:
            url = environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
            relative = environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
            if relative:
                url = _ECS_ENDPOINT + relative
            self._kept, left_s = self._from_container(url) if url else _from_boto3()
            self._until = self._steady() + left_s
        return self._kept

    def forget(self) -> None:
        """Ask again: AWS says that these have ended, whatever our clock shows."""
        self._kept = None

    def _from_container(self, url: str) -> tuple[Credentials, float]:
        answer = wire.exchange(
            wire.split_url(url), self._container_headers(), timeout_s=1.0, max_bytes=64 * 1024
        )
        if answer.status != 200:  # noqa: PLR2004 -- HTTP's OK
            raise SourceError(_WHERE, f"the container's endpoint answered {answer.status}")
        try:
            found = json.loads(answer.body)
            credentials = Credentials(
                found["AccessKeyId"], found["SecretAccessKey"], found.get("Token")
            )
            return credentials, _epoch(found["Expiration"]) - self._clock() - _EARLY_S
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            why = "the container's endpoint answered with something else than credentials"
            raise SourceError(_WHERE, why) from error

    def _container_headers(self) -> dict[str, str]:
        token = self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        path = self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        if path:
            try:
                with open(path, encoding="ascii") as file:  # noqa: PTH123 -- pathlib costs 4 ms at cold start
                    token = file.read().strip()
            except (OSError, ValueError) as error:
                raise SourceError(_WHERE, "the container's token file can't be read") from error
        return {"Authorization": token} if token else {}


def _from_boto3() -> tuple[Credentials, float]:
    why = "none in the environment; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    try:
        import boto3  # 300 ms; never in Lambda
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise SourceError(_WHERE, f"{why}, or install bucketer[aws]") from error
    try:
        found = boto3.Session().get_credentials()
        frozen = None if found is None else found.get_frozen_credentials()
    except (BotoCoreError, ClientError, ImportError, OSError, ValueError) as error:
        # By its name alone: a message may quote what a program of the user's printed.
        failed = f"boto3 fails with {type(error).__name__}; look at AWS_PROFILE and ~/.aws"
        raise SourceError(_WHERE, failed) from error
    if frozen is None or not (frozen.access_key and frozen.secret_key):
        raise SourceError(_WHERE, f"{why}, or a profile that boto3 finds")
    # boto3 renews on its own when it is asked again.
    credentials = Credentials(frozen.access_key, frozen.secret_key, frozen.token)
    return credentials, _EARLY_S


def _epoch(text: str) -> float:
    """Read ``2026-11-23T23:30:00Z``."""
    from calendar import timegm  # both only where the container gives credentials

    return float(timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")))
