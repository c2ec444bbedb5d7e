"""A webhook in the form of CloudEvents, signed by the scheme of Standard Webhooks."""

import json
import re
from datetime import UTC

from standardwebhooks import Webhook as Signer

from aerial.errors import InputError
from aerial.records import NotifierConfig
from aerial.sinks.digest import Digest, plain_name, require_placeless
from aerial.sinks.notify import Clock, require_secret, utc_now, web_of


class Webhook:
    """Posts digests to one address; the secret is ``whsec_...``. See ``Notifier``.

    The id of a message is derived from the digest: a receiver that saw it drops it.
    """

    def __init__(self, config: NotifierConfig, secret: str | None, *, now: Clock = utc_now) -> None:
        self.name = config.name
        given = require_secret(config, secret)
        # The library drops what is no base64, and would sign with what is left.
        if not re.fullmatch(r"(?:whsec_)?(?:[A-Za-z0-9+/]{4}){8,}(?:[A-Za-z0-9+/]{2,3}={0,2})?", given):
            raise InputError(
                f"The secret of the notifier {config.name!r} is not one of Standard Webhooks.",
                hint="Give whsec_ and at least 24 bytes as base64, as the receiver shows it.",
            )
        self._signer = Signer(given)
        if not config.url:
            raise InputError(
                f"The notifier {config.name!r} has no url.", hint="Write the receiver's address as url."
            )
        self._web, self._now = web_of(config, "", (given, given.removeprefix("whsec_"))), now

    def tell(self, digest: Digest) -> None:
        """Post the digest; any answer of 2xx is taken for done."""
        moment = self._now().astimezone(UTC).replace(microsecond=0)
        name = f"msg_{digest.key}"
        cases = [
            {"external_key": item.external_key, "community": item.community, "link": item.link}
            for item in digest.items
        ]
        officer = plain_name(digest.officer.name) if digest.officer else None
        require_placeless(officer or "", *(text for case in cases for text in case.values()))
        body = json.dumps(
            {
                "specversion": "1.0",
                "id": name,
                "source": "aerial",
                "type": "aerial.cases.digest",
                "time": moment.isoformat(),
                "datacontenttype": "application/json",
                "data": {"officer": officer, "cases": cases},
            },
            ensure_ascii=False,
        )
        headers = {
            "Content-Type": "application/cloudevents+json",
            "webhook-id": name,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": self._signer.sign(name, moment, body),
        }
        self._web.ask("POST", "", writes=True, headers=headers, content=body.encode())
