"""Which addresses a destination may have: the guard against requests that are led astray."""

import ipaddress
import socket
import threading

from aerial.sinks.sink import Busy, Rejected

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Clouds answer here with credentials of the machine itself; some lie in public or shared ranges.
_METADATA = {
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")
}
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_HINT_PRIVATE = "Write private = true for this destination if it is meant to be inside of the own network."


def resolve(name: str, host: str, port: int, *, private: bool, timeout_s: float) -> tuple[str, ...]:
    """Return the addresses of ``host``, every one of them allowed; connect to these and resolve no more.

    ``name`` is the destination's, for messages. A name of which one address is allowed and another is
    not is refused whole: that is how a request is led inside.

    Raises:
        Busy: the name cannot be resolved now.
        Rejected: one of the addresses is not allowed.
    """
    found = _look_up(name, host, port, timeout_s)
    for text in found:
        reason = forbidden(ipaddress.ip_address(text.partition("%")[0]), private=private)
        if reason is not None:
            raise Rejected(
                f"{name}: {host} is at {text}, {reason}; nothing was sent.",
                hint=_HINT_PRIVATE if reason == _PRIVATE else "Correct the url of this destination.",
            )
    return found


_PRIVATE = "an address of a private network"


def forbidden(address: Address, *, private: bool) -> str | None:
    """Return why nothing may be sent to ``address``, None where it may."""
    inner = _embedded(address)
    if inner is not None:
        return forbidden(inner, private=private)
    if address in _METADATA:
        return "where clouds keep their credentials"
    for wrong, reason in (
        (address.is_unspecified or (address.version == 4 and address in _THIS_NETWORK), "no address at all"),
        (address.is_link_local, "a link-local address"),
        (address.is_multicast, "a multicast address"),
        # ::1 counts as reserved in Python, and is only private.
        (address.is_reserved and not address.is_loopback, "a reserved address"),
    ):
        if wrong:
            return reason
    inside = not address.is_global or (address.version == 6 and address.is_site_local)
    return _PRIVATE if inside and not private else None


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address is another spelling of, or leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def _look_up(name: str, host: str, port: int, timeout_s: float) -> tuple[str, ...]:
    found: list[str] = []
    failed: list[Exception] = []

    def ask() -> None:
        try:
            for *_, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                if (text := str(where[0])) not in found:
                    found.append(text)
        except (OSError, UnicodeError) as exc:
            failed.append(exc)

    # The resolver has no time-out of its own; an answer that comes too late is dropped with its thread.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(max(timeout_s, 0.0))
    if thread.is_alive() or failed or not found:
        why = "in time" if thread.is_alive() else f"({failed[0]})" if failed else "to any address"
        raise Busy(
            f"{name}: the host {host} was not resolved {why}.",
            hint="Check the network and the url of this destination; nothing was sent.",
        )
    return tuple(found)
