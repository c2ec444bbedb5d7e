"""The client of case systems: where it goes, how long it waits, and what it lets be seen."""

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerial.errors import DeliveryError, InputError
from aerial.records import SinkConfig
from aerial.sinks import web
from aerial.sinks.addresses import forbidden
from aerial.sinks.sink import Ambiguous, Busy, Rejected
from aerial.sinks.web import Web


def client(url: str, **more: Any) -> Web:
    """A client with a short time-out."""
    secrets = more.pop("secrets", ())
    return Web(
        SinkConfig(**({"name": "city", "kind": "http", "url": url, "timeout_s": 0.5} | more)), secrets=secrets
    )


@contextmanager
def talking(*said: bytes, pause_s: float = 0.0) -> Iterator[tuple[str, list[bytes]]]:
    """A raw server that says these pieces to whoever comes, with pauses; what it heard is kept."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(2)
                try:
                    heard.append(peer.recv(65536))
                    for piece in said:
                        peer.sendall(piece)
                        if stop.wait(pause_s):
                            break
                except OSError:
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    """An answer as bytes."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "169.254.0.1", "fe80::1", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "ff02::1",  # noqa: S104
     "255.255.255.255", "240.0.0.1", "100.100.100.200", "fd00:ec2::254", "::ffff:169.254.169.254",
     "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254", "168.63.129.16"],
)  # fmt: skip
def test_some_addresses_are_never_allowed(address: str) -> None:
    """Metadata, link-local, multicast, unspecified and reserved stay refused, however spelt."""
    assert forbidden(ipaddress.ip_address(address), private=True)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.8.8.8", "::1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12::1",
     "fec0::1",
     "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1"],
)  # fmt: skip
def test_private_addresses_need_the_word(address: str) -> None:
    """Loopback and private networks are allowed where private is true, and only there."""
    assert forbidden(ipaddress.ip_address(address), private=True) is None
    assert forbidden(ipaddress.ip_address(address), private=False)


@given(st.ip_addresses())
def test_what_is_public_is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Where private is false, nothing passes that the registry does not call global."""
    if forbidden(address, private=False) is None:
        assert address.is_global
        assert not address.is_multicast


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "[::1]", "127.0.0.1"]
)
def test_other_spellings_of_loopback_are_refused_too(host: str) -> None:
    """The resolved address counts, not how it was written; nothing is sent."""
    with talking(answer("200 OK")) as (url, heard):
        port = url.rpartition(":")[2]
        with pytest.raises((Rejected, Busy, InputError)):
            client(f"http://{host}:{port}", private=False).ask("GET", "", writes=False)
    assert not heard


def test_a_name_with_one_wrong_address_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """One public and one metadata address under a name: nothing is sent to either."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("127.0.0.1", "169.254.169.254")]
    with talking(answer("200 OK")) as (url, heard):
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with pytest.raises(Rejected, match=r"169\.254\.169\.254"):
            client(url.replace("127.0.0.1", "city.example")).ask("GET", "", writes=False)
    assert not heard


def test_the_checked_address_is_the_one_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that changes after the check changes nothing: it is resolved once, the Host header keeps it."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: str, *rest: Any, **more: Any) -> Any:
        if host == "city.example":
            asked.append(host)
            # The second answer would be the one after the rebinding.
            return real("127.0.0.1" if len(asked) == 1 else "169.254.169.254", *rest, **more)
        return real(host, *rest, **more)

    with talking(answer("200 OK", b"{}")) as (url, heard):
        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        client(url.replace("127.0.0.1", "city.example")).ask("GET", "x", writes=False)
    assert asked == ["city.example"]
    assert b"host: city.example:" in heard[0].lower()


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent"]
)
def test_redirects_are_not_followed(status: str) -> None:
    """The other address hears nothing; after 302 and 303 a write is ambiguous, for a form may be stored."""
    with (
        talking(answer("200 OK")) as (there, heard),
        talking(answer(status, Location=f"{there}/x?key=1")) as (url, _),
    ):
        with pytest.raises(Rejected):
            client(url).ask("GET", "a", writes=False)
        with pytest.raises(Ambiguous if status[:3] in ("302", "303") else Rejected):
            client(url).ask("POST", "a", writes=True, form={"a": "b"})
    assert not heard


@pytest.mark.parametrize("dripping", ["head", "body"])
def test_the_time_out_is_of_the_whole_request(dripping: str) -> None:
    """A peer that says a byte at a time, each in time, is left after the one time-out."""
    start = [] if dripping == "head" else [answer("200 OK", b"x" * 100)[:-100]]
    pieces = start + ([b"H"] if dripping == "head" else []) + [b"x"] * 60
    began = time.monotonic()
    with talking(*pieces, pause_s=0.1) as (url, _), pytest.raises(Ambiguous, match="within"):
        client(url).ask("POST", "a", writes=True, json={})
    assert time.monotonic() - began < 2


def test_a_silent_peer_is_left_in_time() -> None:
    """A peer that takes the request and says nothing is left after the time-out, and not after another."""
    began = time.monotonic()
    with talking(b"", pause_s=4) as (url, _), pytest.raises(Ambiguous, match="within"):
        client(url).ask("POST", "a", writes=True, json={})
    assert time.monotonic() - began < 2


def test_a_resolver_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolving is within the time-out, and nothing was sent: busy."""
    gone = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [gone.wait(5)][1:])
    began = time.monotonic()
    with pytest.raises(Busy):
        client("http://city.example").ask("POST", "a", writes=True)
    gone.set()
    assert time.monotonic() - began < 2


def test_refused_before_anything_was_sent_is_busy() -> None:
    """A closed port stored nothing, even for a write."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Busy, match="connection failed"):
        client(f"http://127.0.0.1:{port}").ask("POST", "a", writes=True, json={})


def test_no_tls_is_busy_for_nothing_was_sent() -> None:
    """A peer that does not speak TLS breaks the handshake: the request was never sent."""
    with talking(b"this is not TLS, certainly not") as (url, _), pytest.raises(Busy):
        client(url.replace("http:", "https:")).ask("POST", "a", writes=True, json={})


@pytest.mark.parametrize(
    ("status", "headers", "writes", "kind", "pause_s"),
    [
        ("429 X", {"Retry_After": "12"}, True, Busy, 12.0),
        ("429 X", {}, True, Busy, None),
        ("429 X", {"Retry_After": "never"}, False, Busy, None),
        ("503 X", {"Retry_After": "3"}, False, Busy, 3.0),
        ("503 X", {"Retry_After": "3"}, True, Ambiguous, None),
        ("503 X", {}, False, Ambiguous, None),
        ("500 X", {}, True, Ambiguous, None),
        ("408 X", {}, True, Ambiguous, None),
        ("400 X", {}, True, Rejected, None),
        ("404 X", {}, False, Rejected, None),
        ("429 X", {"Retry_After": "999999999"}, True, Busy, 86400.0),
    ],
)  # fmt: skip
def test_statuses_become_outcomes(
    status: str, headers: dict[str, str], writes: bool, kind: type[DeliveryError], pause_s: float | None
) -> None:
    """Each status is the outcome that the protocol says, with the pause where there is one."""
    with talking(answer(status, b"said", **headers)) as (url, _), pytest.raises(kind) as caught:
        client(url).ask("POST" if writes else "GET", "a", writes=writes)
    assert getattr(caught.value, "retry_after_s", None) == pause_s


def test_a_pause_may_be_a_date() -> None:
    """Retry-After as an HTTP date is the seconds until then."""
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    with talking(answer("429 X", Retry_After=until)) as (url, _), pytest.raises(Busy) as caught:
        client(url).ask("GET", "a", writes=False)
    assert caught.value.retry_after_s == pytest.approx(90, abs=3)


def test_an_answer_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless answer is cut off: refused for a read, ambiguous for a write."""
    monkeypatch.setattr(web, "MAX_ANSWER_BYTES", 2**20)
    with talking(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 2**18] * 5) as (url, _):
        with pytest.raises(Rejected, match="larger"):
            client(url, timeout_s=5).ask("GET", "a", writes=False)
        with pytest.raises(Ambiguous, match="larger"):
            client(url, timeout_s=5).ask("POST", "a", writes=True)


@pytest.mark.parametrize("body", [b"not json", b"[" * 100_000, b"\xff\xfe", b""])
def test_nonsense_is_an_error_with_a_hint(body: bytes) -> None:
    """A 2xx that is no JSON is ambiguous for a write and refused for a read."""
    with talking(answer("200 OK", body)) as (url, _):
        with pytest.raises(Ambiguous, match="JSON"):
            client(url).ask("POST", "a", writes=True).json()
        with pytest.raises(Rejected, match="JSON") as caught:
            client(url).ask("GET", "a", writes=False).json()
    assert caught.value.hint


@pytest.mark.parametrize(
    "url",
    ["", "ftp://a/b", "file:///etc/passwd", "gopher://a", "http://", "https:///x", "//a", "a/b", "http://u:s3cret@a/",
     "http://a/?key=s3cret", "http://a/#s3cret", "http://a/../b", "http://a:99999/", "http://a b/", "http://[::1",
     "http://a:0/", "javascript:alert(1)", "http://a\n.example/"],
)  # fmt: skip
def test_hostile_urls_are_refused_at_once(url: str) -> None:
    """Only http and https with a host, without user, query or fragment; a password is not shown."""
    with pytest.raises(InputError) as caught:
        client(url)
    assert "s3cret" not in str(caught.value) + caught.value.hint


def test_what_a_peer_says_is_cleaned_and_secrets_are_hidden() -> None:
    """Markup, control characters and every spelling of the secret go; one short line stays."""
    one = client("http://a", secrets=['p@ss w/rd"<', None])
    said = (
        '<style>x</style>\x1b[31m p@ss w/rd"< p%40ss%20w/rd%22%3C p%40ss+w%2Frd%22%3C p@ss w/rd\\"< \u202e'
        + "y" * 5000
    )
    text = one.clean(said)
    assert text.isprintable()
    assert len(text) == 200
    assert "p@ss" not in text
    assert "p%40ss" not in text
    assert "<" not in text


def test_a_secret_cut_in_two_does_not_show() -> None:
    """Masking comes before shortening: the head of a secret is one, too."""
    one = client("http://a", secrets=["S3CRETS3CRET"])
    for pad in range(180, 210):
        assert "S3C" not in one.clean("x" * pad + "S3CRETS3CRET")


def test_the_environment_leads_no_request_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is not used: it would resolve the name by itself."""
    with talking(answer("200 OK")) as (proxy, heard), talking(answer("200 OK", b"{}")) as (url, _):
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        assert client(url).ask("GET", "a", writes=False).status == 200
    assert not heard


def test_a_path_holds_no_query() -> None:
    """A query in a configured path would be lost beside another one: it is refused, and nothing is sent."""
    with talking(answer("200 OK", b"{}")) as (url, heard), pytest.raises(Rejected, match="query"):
        client(url).ask("GET", "case/list?type=3", writes=False, query={"a": "b"})
    assert not heard


def test_a_line_break_in_a_header_is_refused() -> None:
    """A secret with a line break cannot add a header, and nothing is stored."""
    with talking(answer("200 OK", b"{}")) as (url, heard), pytest.raises(Rejected) as caught:
        client(url, secrets=["a\r\nX-Evil: 1"]).ask(
            "POST", "a", writes=True, headers={"X-Key": "a\r\nX-Evil: 1"}
        )
    assert "Evil" not in str(caught.value)
    assert not any(b"evil" in text.lower() for text in heard)
