"""What may be read: which hosts, and which addresses a host's name may stand for.

Pages are written by strangers, and what a model asks for may be what a page has told it to ask for. So nothing is read that was not
allowed, and a name is not trusted for where it leads: what counts is the address that is connected to.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from convgraph.errors import DefinitionError

if TYPE_CHECKING:
    from httpx2 import URL

PUBLIC: Literal["public"] = "public"
"""Every host with a public address."""

AllowedHosts: TypeAlias = Sequence[str] | Literal["public"]
"""Hosts: `example.com`, `*.example.com` for all below it, `localhost:8000` for another port than the usual; or `"public"`."""

Place: TypeAlias = str | Callable[[], str]
"""Where a host really is: `127.0.0.1:8000`, or a function that says so when it is connected to."""

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_USUAL = {"http": 80, "https": 443}
_HOST = re.compile(r"(?P<wild>\*\.)?(?P<name>\[[0-9a-f:.]+\]|[^\s:/*\[\]]+)(:(?P<port>\d{1,5}))?", re.IGNORECASE)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Unreadable(Exception):
    """A page cannot be read; the message says why, in words for a model."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """A host that may be read: `below` means what is below the name, and a port that is None the usual ones."""

    name: str
    below: bool = False
    port: int | None = None

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return f"{'*.' if self.below else ''}{name}{f':{self.port}' if self.port else ''}"

    def fits(self, host: str, port: int) -> bool:
        named = host.endswith(f".{self.name}") if self.below else host == self.name
        return named and (port in _USUAL.values() if self.port is None else port == self.port)


@dataclass(frozen=True, slots=True)
class Access:
    """Which pages may be read. Made with `access`."""

    rules: tuple[_Rule, ...]
    anywhere: bool
    places: Mapping[str, Place]

    def check(self, url: URL) -> None:
        """Raise `Unreadable` for an address that may not be read, whatever it leads to."""
        if url.scheme not in _USUAL or not url.host:
            raise Unreadable(f"{url}: an address is a whole one, and begins with http:// or https://")
        if url.userinfo:
            raise Unreadable("an address with a name and a password in it is not read")
        host, port = host_of(url), port_of(url)
        if (host in self.places and port in _USUAL.values()) or self._named(host, port) or self._below(host, port):
            return
        if self.anywhere:
            if port not in _USUAL.values():
                raise Unreadable(f"{url}: port {port} is not read, only the usual ones")
            return
        raise Unreadable(f"{url}: {host}{'' if port in _USUAL.values() else f':{port}'} is not among what may be read ({self.told})")

    def place_of(self, host: str) -> tuple[str, int] | None:
        """Where a host really is, if that was said. Raises `DefinitionError` for a place that is none."""
        place = self.places.get(host)
        return None if place is None else _parsed_place(host, place() if callable(place) else place)

    def may_connect(self, host: str, port: int, address: str) -> bool:
        """Whether the host may be read at this address, which is what its name stands for just now.

        A host that was allowed by its own name may be inside one's own network. Even then it may not be where machines find
        their own credentials (169.254.169.254 and its like), unless that address itself was allowed.
        """
        ip = _unwrapped(ipaddress.ip_address(address))
        if not self._named(host, port):
            return is_public(ip)
        return host == address or not (ip.is_link_local or ip.is_multicast or ip.is_unspecified)

    @property
    def told(self) -> str:
        """What may be read, in words."""
        return ", ".join([*self.places, *map(str, self.rules), *(["every public host"] if self.anywhere else [])])

    def _named(self, host: str, port: int) -> bool:
        return any(not rule.below and rule.fits(host, port) for rule in self.rules)

    def _below(self, host: str, port: int) -> bool:
        return any(rule.below and rule.fits(host, port) for rule in self.rules)


def access(allowed_hosts: AllowedHosts, hosts: Mapping[str, Place] | None = None) -> Access:
    """What may be read: `allowed_hosts`, and `hosts`, each at the place that is given for it. Raises `DefinitionError`."""
    if hosts is not None and not isinstance(hosts, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DefinitionError(f"hosts= is a mapping from names to where they are, not {hosts!r:.100}")
    places = {_plain_name(name): place for name, place in (hosts or {}).items()}
    for host, place in places.items():
        if not callable(place):
            _parsed_place(host, place)
    anywhere = allowed_hosts == PUBLIC
    given: Any = () if anywhere else allowed_hosts
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise DefinitionError(f"allowed_hosts= is a list of hosts, or 'public', not {allowed_hosts!r:.100}")
    rules = tuple(_rule(one) for one in cast("Sequence[Any]", given))
    if not (rules or anywhere or places):
        raise DefinitionError("nothing may be read: name hosts (allowed_hosts=['example.com']), or allow every public one with 'public'")
    return Access(rules, anywhere, places)


def above_zero(setting: str, value: Any) -> None:
    """Raise `DefinitionError` unless the setting is a number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise DefinitionError(f"{setting}= is a number above 0, not {value!r:.100}")


def host_of(url: URL) -> str:
    """The host of an address as it is compared: in lower case, without the dot at its end."""
    return url.raw_host.decode("ascii").lower().rstrip(".")


def port_of(url: URL) -> int:
    """The port of an address."""
    return url.port or _USUAL.get(url.scheme, 0)


def is_public(ip: IpAddress) -> bool:
    """Whether the address is one of the open Internet's."""
    ip = _unwrapped(ip)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _unwrapped(ip: IpAddress) -> IpAddress:
    """The IPv4 address inside an IPv6 one that only carries it: what is reached is that."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)


def _rule(given: Any) -> _Rule:
    found = _HOST.fullmatch(given) if isinstance(given, str) else None
    if found is None or int(found["port"] or 1) not in range(1, 65536):
        raise DefinitionError(f"a host is like 'example.com', '*.example.com' or 'localhost:8000', without a path; not {given!r:.100}")
    name = found["name"].lower().strip("[]").rstrip(".")
    try:
        name = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise DefinitionError(f"a host's name cannot be {given!r:.100}: {error}") from error
    return _Rule(name, found["wild"] is not None, int(found["port"]) if found["port"] else None)


def _plain_name(given: str) -> str:
    rule = _rule(given)
    if rule.below or rule.port is not None:
        raise DefinitionError(f"hosts= has names alone, without a port or a star: 'handbook.test', not {given!r:.100}")
    return rule.name


def _parsed_place(host: str, place: Any) -> tuple[str, int]:
    found = re.fullmatch(r"(?P<address>[^\s:/]+|\[[0-9a-f:]+\]):(?P<port>\d{1,5})", place) if isinstance(place, str) else None
    if found is None:
        raise DefinitionError(
            f"hosts={{{host!r}: …}} says where the host is: '127.0.0.1:8000', or a function that returns that; not {place!r:.100}"
        )
    return found["address"].strip("[]"), int(found["port"])
