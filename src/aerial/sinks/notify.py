"""Notifiers: they tell officers that there are cases, at most once, and are never a receipt."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from aerial.errors import InputError
from aerial.records import NotifierConfig, SinkConfig
from aerial.sinks.digest import Digest
from aerial.sinks.web import Web


class Notifier(Protocol):
    """Tells one officer about one batch.

    The caller records the digest's key before it calls, and calls once. ``Busy`` alone says that nothing
    was sent and that the same digest may be tried later.
    """

    name: str

    def tell(self, digest: Digest) -> None:
        """Send the digest.

        Raises:
            Busy: too many messages already; nothing of this digest was sent.
            Rejected, Ambiguous: it was not, or perhaps, sent, and is not to be tried again.
            SecrecyError: the text holds something like coordinates or a picture.
        """
        ...


def web_of(config: NotifierConfig, default_url: str, secrets: tuple[str, ...]) -> Web:
    """Return the guarded client of a notifier; an address inside is refused unless that is configured."""
    destination = SinkConfig(
        name=config.name,
        kind=config.kind,
        url=config.url or default_url,
        timeout_s=config.timeout_s,
        private=config.private,
    )
    return Web(destination, secrets=secrets)


def require_secret(config: NotifierConfig, secret: str | None) -> str:
    """Return the secret, or refuse a notifier without one."""
    if not secret or not secret.strip():
        raise InputError(
            f"The notifier {config.name!r} has no secret.",
            hint="Name the environment variable or file that holds it as secret.",
        )
    return secret.strip()


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


Clock = Callable[[], datetime]
