"""Requests to case systems: the only user of httpx and of httpcore, its lower half.

One request has one total time-out (resolving, connecting and a trickling answer included), goes to
an address that was checked, follows no redirect, uses no proxy and no keep-alive, and ends in an
answer or in one of three errors. What decides is whether a byte was sent: before, nothing can have
been stored.
"""

import html
import json
import logging
import re
import ssl
import time
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, quote_plus

import httpcore
import httpx

from aerial.errors import DeliveryError, InputError
from aerial.records import SinkConfig
from aerial.records.record import record
from aerial.sinks.addresses import resolve
from aerial.sinks.sink import Ambiguous, Busy, Rejected

MAX_ANSWER_BYTES = 32 * 2**20
_SHOWN_CHARS = 200  # of what the peer says, in a message
_LONGEST_PAUSE_S = 86400.0
_SLICE_BYTES = 16384
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close", "User-Agent": "aerial"}

# At DEBUG it writes the headers of answers, in which a peer may echo a secret.
logging.getLogger("httpcore").setLevel(logging.INFO)

Upload = tuple[str, tuple[str, bytes, str]]  # form field, (file name, content, media type)


@record
class Answer:
    """What a peer said: ``headers`` in lower case; ``writes``: the request may have stored something."""

    name: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    writes: bool

    def json(self) -> Any:
        """Return the body as plain data.

        Raises:
            Ambiguous: it is not JSON, and the request may have stored something.
            Rejected: it is not JSON.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise self.nonsense("no JSON") from None

    def nonsense(self, what: str) -> DeliveryError:
        """Return the error for an answer that cannot be understood: ``what`` it is, or lacks."""
        kind = Ambiguous if self.writes else Rejected
        return kind(
            f"{self.name}: the answer (HTTP {self.status}) is not what was expected: {what}.",
            hint="Check the url and the options of this destination against what the peer offers.",
        )


class Web:
    """The client of one destination. Holds no connection: it may be used from several threads.

    ``secrets``: texts that no message may show, in any of their encodings; the destination's own secret and
    what is derived from it. Certificates are checked against the system's, or the file that the
    environment names in ``SSL_CERT_FILE``.

    Raises:
        InputError: the url is not http or https, has a user, a query or a fragment, or no host.
    """

    def __init__(self, config: SinkConfig, *, secrets: Iterable[str | None] = ()) -> None:
        self.name = config.name
        self._timeout_s, self._private = config.timeout_s, config.private
        self._hidden = _spellings(secrets)
        self._base = _checked_base(config)
        self._tls = ssl.create_default_context() if self._base.startswith("https:") else None

    def ask(
        self,
        method: str,
        path: str,
        *,
        writes: bool,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        uploads: Sequence[Upload] = (),
        content: bytes | None = None,
        allow: Collection[int] = (),
    ) -> Answer:
        """Return the answer to one request below the destination's url; ``path`` is quoted already.

        ``writes``: the peer may store something. ``allow``: statuses from 300 on that are an answer too.

        Raises:
            Busy: nothing was sent, or the peer asks to come back later (429; 503 with a time, of a read).
            Ambiguous: it broke after something was sent, or the peer failed (5xx).
            Rejected: the peer refused (3xx, 4xx), its address is not allowed, its answer is too large.
        """
        if set("?#\\") & set(path):
            raise Rejected(
                f"{self.name}: the path {self.clean(path)} has a query or a fragment; nothing was sent.",
                hint="Write only the path there, and the query where the options of this kind have it.",
            )
        try:
            request = httpx.Request(
                method,
                f"{self._base}/{path.lstrip('/')}" if path else self._base,
                params=dict(query) if query else None,
                headers={**_HEADERS, **(headers or {})},
                content=content if content is not None else _json_bytes(json),
                data=dict(form) if form is not None else None,
                files=list(uploads) or None,
            )
        except (ValueError, TypeError, httpx.InvalidURL):
            raise Rejected(
                f"{self.name}: the request cannot be written as HTTP; nothing was sent.",
                hint="Check the options of this destination for line breaks and odd characters.",
            ) from None
        if json is not None and "content-type" not in (key.lower() for key in headers or {}):
            request.headers["Content-Type"] = "application/json"
        return self._judged(self._exchange(request, writes), frozenset(allow))

    def clean(self, text: str) -> str:
        """Return what a peer said as one short line without markup, control characters or secrets."""
        text = self._masked(text)[:4096]
        text = html.unescape(re.sub(r"<[^<>]{0,500}>", " ", text))
        text = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
        text = self._masked(" ".join(text.split()))
        return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"

    def _masked(self, text: str) -> str:
        for secret in self._hidden:
            text = text.replace(secret, "***")
        return text

    def _exchange(self, request: httpx.Request, writes: bool) -> Answer:
        backend = _Guarded(self.name, private=self._private, timeout_s=self._timeout_s)
        try:
            with (
                httpcore.ConnectionPool(
                    ssl_context=self._tls, max_keepalive_connections=0, network_backend=backend
                ) as pool,
                pool.stream(
                    request.method,
                    httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.read(),
                ) as response,
            ):
                body = self._body(response, writes)
                return Answer(
                    name=self.name,
                    status=response.status,
                    headers={
                        key.decode("latin-1").lower(): value.decode("latin-1")
                        for key, value in response.headers
                    },
                    body=body,
                    writes=writes,
                )
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as exc:
            raise self._broken(exc, backend, writes) from None

    def _body(self, response: httpcore.Response, writes: bool) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.iter_stream():
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                kind = Ambiguous if writes else Rejected
                raise kind(
                    f"{self.name}: the answer is larger than {MAX_ANSWER_BYTES // 2**20} MB.",
                    hint="Check the options of this destination: the query must be narrow, or paged.",
                )
            parts.append(part)
        return b"".join(parts)

    def _broken(self, exc: Exception, backend: "_Guarded", writes: bool) -> DeliveryError:
        late = isinstance(exc, httpcore.TimeoutException) or backend.left_s() <= 0
        what = self.clean(str(exc)).rstrip(".") or "it broke off"
        what = f"no answer within {self._timeout_s:g} s" if late else what
        if isinstance(exc, httpcore.LocalProtocolError):
            return Rejected(
                f"{self.name}: the request cannot be written as HTTP.",
                hint="Check the options of this destination for line breaks and odd characters.",
            )
        if not backend.sent:
            hint = "Check that the peer runs and that this machine reaches it; nothing was sent."
            if isinstance(exc, ssl.SSLError) or "CERTIFICATE" in str(exc).upper():
                hint = "Let this machine trust the peer's certificate (SSL_CERT_FILE); nothing was sent."
            return Busy(f"{self.name}: the connection failed: {what}.", hint=hint)
        return Ambiguous(
            f"{self.name}: the request was sent and then: {what}.",
            hint="It is looked up before it is sent again."
            if writes
            else "Ask again later; if it stays so, look at the peer's log.",
        )

    def _judged(self, answer: Answer, allow: frozenset[int]) -> Answer:
        if 200 <= answer.status < 300 or answer.status in allow:
            return answer
        raise self._refusal(answer)

    def _refusal(self, answer: Answer) -> DeliveryError:
        status, writes = answer.status, answer.writes
        said = self.clean(answer.body[:65536].decode("utf-8", "replace"))
        what = f"{self.name}: HTTP {status}" + (f": {said}" if said else "")
        after_s = _retry_after_s(answer.headers.get("retry-after"))
        if status == 429 or (status == 503 and after_s is not None and not writes):
            return Busy(f"{what} (busy)", hint="It is asked again after the pause.", retry_after_s=after_s)
        # After 302 and 303 a form may well have been stored; 408 comes from gateways, too.
        if status < 200 or status >= 500 or status == 408 or (writes and status in (302, 303)):
            return Ambiguous(
                f"{what} (the peer failed)", hint="What it stored is looked up before it is sent again."
            )
        if status < 400:
            return Rejected(
                f"{self.name}: HTTP {status}: the peer sends us to another address.",
                hint="Redirects are not followed: write the address that answers itself into url.",
            )
        hint = "Check the secret of this destination and its rights." if status in (401, 403) else None
        return Rejected(f"{what} (refused)", hint=hint or "Correct what the peer names, then send it again.")


def segment(text: str) -> str:
    """Return ``text`` quoted as one segment of a path.

    Raises:
        Rejected: it is empty, or a way upwards.
    """
    if text in ("", ".", "..") or any(unicodedata.category(char) == "Cs" for char in text):
        raise Rejected(
            f"{text!r} cannot be part of an address.", hint="Give another key; this one leads elsewhere."
        )
    return quote(text, safe="")


def _json_bytes(data: object) -> bytes | None:
    return None if data is None else json.dumps(data, ensure_ascii=False, allow_nan=False).encode()


def _spellings(secrets: Iterable[str | None]) -> tuple[str, ...]:
    """Return the secrets as a peer may echo them, longest first so that no rest of one stays."""
    found: set[str] = set()
    for secret in secrets:
        if secret:
            escaped = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
            found |= {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), html.escape(secret)}
            found |= {*escaped, repr(secret)[1:-1], " ".join(secret.split()), secret.strip()}
    return tuple(sorted(found - {""}, key=len, reverse=True))


def _checked_base(config: SinkConfig) -> str:
    try:
        url = httpx.URL(config.url)
        port = url.port
    except (httpx.InvalidURL, ValueError):
        url, port = httpx.URL(""), None
    odd_port = port is not None and not 0 < port < 65536
    if url.scheme not in ("http", "https") or not url.host or "%" in url.host or odd_port:
        raise InputError(
            f"The url of the destination {config.name!r} is not an address of http or https.",
            hint="Write it like https://cases.example/api.",
        )
    if url.userinfo or url.query or url.fragment:
        # Not shown: what stands there may be a password.
        raise InputError(
            f"The url of the destination {config.name!r} has a user, a query or a fragment.",
            hint="Leave them out of url; a key or password belongs into the variable that secret names.",
        )
    if ".." in config.url.split("/"):
        raise InputError(
            f"The url of the destination {config.name!r} leads upwards.", hint="Write it without '..'."
        )
    if not 0 < config.timeout_s <= 600:
        raise InputError(
            f"timeout_s = {config.timeout_s} of the destination {config.name!r} is no time-out.",
            hint="Give seconds, more than 0 and at most 600.",
        )
    return str(url).rstrip("/")


def _retry_after_s(text: str | None) -> float | None:
    """Return the pause that a Retry-After header asks for (seconds or a date), at most a day."""
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        return min(float(text), _LONGEST_PAUSE_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), _LONGEST_PAUSE_S)


class _Guarded(httpcore.NetworkBackend):
    """The network of one request: checked addresses, one deadline, and whether a byte was sent."""

    def __init__(self, name: str, *, private: bool, timeout_s: float) -> None:
        self._name, self._private = name, private
        self._until = time.monotonic() + timeout_s
        self._plain = httpcore.SyncBackend()
        self.sent = False

    def left_s(self) -> float:
        return self._until - time.monotonic()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        found = resolve(self._name, host, port, private=self._private, timeout_s=self.left_s())
        failure: Exception | None = None
        for left, address in zip(range(len(found), 0, -1), found, strict=True):
            # A silent first address must leave time for the others.
            share_s = self.left_s() / left
            if share_s <= 0:
                break
            try:
                stream = self._plain.connect_tcp(address, port, share_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failure = exc
            else:
                return _Watched(stream, self)
        raise failure or httpcore.ConnectTimeout("no time was left to connect")


class _Watched(httpcore.NetworkStream):
    """A connection under the deadline of its request."""

    def __init__(self, stream: httpcore.NetworkStream, of: _Guarded) -> None:
        self._stream, self._of = stream, of

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if (left_s := self._of.left_s()) <= 0:
            raise httpcore.ReadTimeout
        return self._stream.read(max_bytes, left_s)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _SLICE_BYTES):
            if (left_s := self._of.left_s()) <= 0:
                raise httpcore.WriteTimeout
            self._of.sent = True
            self._stream.write(buffer[start : start + _SLICE_BYTES], left_s)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        if (left_s := self._of.left_s()) <= 0:
            raise httpcore.ConnectTimeout
        return _Watched(self._stream.start_tls(ssl_context, server_hostname, left_s), self._of)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
