"""One NodeODM node, spoken to by pyodm with its two leaks closed.

pyodm 1.5 keeps query parameters in mutable defaults, so that the token of one node is sent to every
other node of the process, and it falls back from https to http on any port but 443. Here every call
builds its own query, and the scheme is the one of the URL.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import requests
from pyodm import Node
from pyodm.exceptions import NodeConnectionError, NodeResponseError, OdmError

from aerial.errors import NodeError

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class OneNode(Node):  # type: ignore[misc]  # pyodm is untyped
    """A node at a URL such as ``https://host:3000/?token=SECRET``.

    ``name`` is the URL without the token: for people and for files.

    Raises:
        NodeError: the URL is not that of a node.
    """

    def __init__(self, url: str, timeout_s: float = 30) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            port = 0
        if parts.scheme not in ("http", "https") or not parts.hostname or not port or parts.username:
            raise NodeError(
                f"{parts.scheme}://{parts.hostname or ''} is not the URL of a stitching node.",
                hint="Give it as http://HOST:3000 or https://HOST:3000/?token=TOKEN.",
            )
        super().__init__(parts.hostname, port, parse_qs(parts.query).get("token", [""])[0], timeout_s)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._base = (parts.scheme, f"{host}:{port}", parts.path.rstrip("/"))
        self.name = urlunsplit((*self._base, "", ""))

    def url(self, url: str, query: Mapping[str, object] | None = None) -> str:
        """Return the absolute URL of a call, token included; the arguments stay as they are."""
        scheme, netloc, path = self._base
        own = {**(query or {}), **({"token": self.token} if self.token else {})}
        return urlunsplit((scheme, netloc, path + url, urlencode(own), ""))

    def get(self, url: str, query: Mapping[str, object] | None = None, **options: Any) -> Any:
        """Call the node; see ``pyodm.Node.get``."""
        return super().get(url, dict(query or {}), **options)

    def is_open_to_listeners(self) -> bool:
        """Tell whether a token would travel in clear text over a network."""
        return bool(self.token) and self._base[0] == "http" and self.host not in LOOPBACK

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Turn pyodm's errors into ``NodeError``, without the token that their texts carry."""
        try:
            yield
        except NodeConnectionError:
            raise NodeError(
                f"The stitching node {self.name} cannot be reached.",
                hint="Check that it runs and that the address and port are right, then try again.",
            ) from None
        except NodeResponseError as error:
            raise self._answered(self._redacted(str(error))) from None
        except (requests.RequestException, OdmError) as error:
            raise NodeError(
                f"The stitching node {self.name} answered wrongly: {self._redacted(str(error))}",
                hint="Look at the node's own log; restart it, then try again.",
            ) from None
        except (AttributeError, KeyError, TypeError, ValueError):
            # pyodm takes what it gets for an answer of NodeODM.
            raise NodeError(
                f"What answers at {self.name} is not NodeODM.",
                hint="Check the address and the port; a browser shows NodeODM's page there.",
            ) from None

    def _answered(self, text: str) -> NodeError:
        if "token" in text.casefold() or "unauthorized" in text.casefold():
            return NodeError(
                f"The stitching node {self.name} refused the token: {text}",
                hint="Give the node's token: --node 'URL?token=TOKEN'.",
            )
        if "not found" in text.casefold():
            return NodeError(
                f"The stitching node {self.name} has lost the task: {text}",
                hint="It was restarted or the task was removed; run the same command to send it again.",
            )
        return NodeError(
            f"The stitching node {self.name} refused: {text}", hint="Correct what it names, then try again."
        )

    def _redacted(self, text: str) -> str:
        return text.replace(self.token, "***") if self.token else text
