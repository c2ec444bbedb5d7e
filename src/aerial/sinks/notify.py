"""Notifiers: they tell officers that there are cases, at most once, and are never a receipt."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from aerial.errors import InputError
from aerial.records import SinkConfig
from aerial.records.record import record
from aerial.sinks.digest import Digest, Officer
from aerial.sinks.web import Web


@record
class NotifierConfig:
    """One notifier, a ``[[notifiers]]`` table of ``aerial.toml``.

    ``kind``: ``wecom``, ``dingtalk`` or ``webhook``. ``url``: empty for the robots' own service. ``secret``
    names a variable or file, as for destinations: the robot's key; for DingTalk the access token and, after a
    space, the signing secret; for a webhook ``whsec_...``. ``private``: an address inside of the own network
    is meant. ``link``: address of a case there, over ``{external_key}``.
    """

    name: str
    kind: str
    url: str = ""
    secret: str | None = None
    timeout_s: float = 10.0
    private: bool = False
    link: str = ""
    officers: tuple[Officer, ...] = ()


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
