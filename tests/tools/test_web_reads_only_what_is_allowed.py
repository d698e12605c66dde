"""Nothing is read that was not allowed: no host, no redirect, no address inside one's own network; no trap takes more than its share."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import os
import socket
import ssl
import subprocess
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpcore2
import pytest

from convgraph.errors import DefinitionError
from convgraph.tools.web import Unreadable, web_tools
from convgraph.tools.web.access import is_public
from tests.tools.local_site import LocalSite, Reply, leading_to, serving

OUTSIDE = "http://example.com/"


@pytest.fixture
def site() -> Iterator[LocalSite]:
    with serving({"/": "<p>the page</p>"}) as served:
        yield served


def read(url: str, allowed: Any = (), **options: Any) -> str:
    reading, *_ = web_tools(allowed, **options)
    return asyncio.run(reading.fn(url))


def refused(url: str, allowed: Any = (), **options: Any) -> str:
    with pytest.raises(Unreadable) as caught:
        read(url, allowed, **options)
    return str(caught.value)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names stand for: a name server that says what the test wants, each time the next address."""
    known: dict[str, list[str]] = {}
    really = socket.getaddrinfo

    def look_up(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in known:
            return really(host, port, *rest, **options)
        address = known[name].pop(0) if len(known[name]) > 1 else known[name][0]
        return really(address, port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def test_nothing_is_read_where_nothing_was_allowed() -> None:
    with pytest.raises(DefinitionError, match="nothing may be read"):
        web_tools()


def test_a_host_is_read_that_was_allowed_by_its_name_and_port(site: LocalSite) -> None:
    assert "the page" in read(site.url, [site.place])
    assert "the page" in read(f"http://LOCALHOST.:{site.port}/", [f"localhost:{site.port}"])


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://2130706433:{port}/",
        "http://allowed.example:{port}/",
        "http://example.com.evil.test/",
        "http://evil-example.com/",
        "https://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
def test_no_other_host_is_connected_to(site: LocalSite, url: str) -> None:
    assert "is not among what may be read (example.com, *.example.org)" in refused(
        url.format(port=site.port), ["example.com", "*.example.org"]
    )
    assert site.log == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file:///etc/passwd", "begins with http:// or https://"),
        ("ftp://example.com/", "begins with http:// or https://"),
        ("gopher://example.com/", "begins with http:// or https://"),
        ("data:text/html,hello", "begins with http:// or https://"),
        ("/page", "begins with http:// or https://"),
        ("example.com", "begins with http:// or https://"),
        ("http://", "begins with http:// or https://"),
        ("http://name:secret@example.com/", "a name and a password"),
        ("http://[::1", "is no address"),
        ("http://example.com:0x50/", "is no address"),
        ("\0", "is no address"),
    ],
)
def test_what_is_no_address_of_a_page_is_said_to_be_none(url: str, said: str) -> None:
    message = refused(url, "public")

    assert said in message
    assert "secret" not in message


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ],
)
def test_a_public_name_that_stands_for_an_address_inside_is_not_connected_to(names: dict[str, list[str]], address: str) -> None:
    names["innocent.example"] = [address]

    assert not is_public(ipaddress.ip_address(address))
    assert refused("http://innocent.example/", "public") == "innocent.example is inside a network that may not be read"
    assert "may not be read" in refused("http://innocent.example/", ["*.example"])


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url", ["http://127.1/", "http://0x7f000001/", "http://2130706433/", "http://0/", "http://[::]/", "http://localhost/"]
)
def test_an_address_inside_is_recognised_however_it_is_written(url: str) -> None:
    message = refused(url, "public")

    assert "inside a network that may not be read" in message or "there is no host" in message


def test_a_name_is_looked_up_once_and_what_was_looked_at_is_connected_to(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the first answer is harmless, the next one would be inside."""
    connected: list[str] = []

    async def connect(self: Any, host: str, port: int, *rest: Any) -> Any:
        connected.append(host)
        raise httpcore2.ConnectError("nobody is asked in tests")

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect)
    names["rebinding.example"] = ["93.184.216.34", "127.0.0.1"]
    names["other.example"] = ["127.0.0.1", "93.184.216.34"]

    assert "nobody is asked in tests" in refused("http://rebinding.example/", "public")
    assert "may not be read" in refused("http://other.example/", "public")
    assert connected == ["93.184.216.34"]
    assert names["rebinding.example"] == ["127.0.0.1"]


def test_a_host_that_was_allowed_by_its_name_may_be_inside_but_never_where_machines_find_credentials(
    names: dict[str, list[str]], site: LocalSite
) -> None:
    names["wiki.internal"] = ["127.0.0.1"]
    names["metadata.internal"] = ["169.254.169.254"]

    assert "the page" in read(f"http://wiki.internal:{site.port}/", [f"wiki.internal:{site.port}"])
    assert "may not be read" in refused("http://metadata.internal/", ["metadata.internal"])


@pytest.mark.parametrize("port", [22, 6379, 8080])
def test_only_usual_ports_are_read_unless_another_was_allowed(port: int) -> None:
    assert f"port {port} is not read" in refused(f"http://example.com:{port}/", "public")
    assert f"example.com:{port} is not among" in refused(f"http://example.com:{port}/", ["example.com"])


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost/",
        "https://example.com/",
        "file:///etc/passwd",
        "//10.0.0.1/",
        "http://user:pw@shop.test/",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_to_nothing_that_may_not_be_read(site: LocalSite, target: str, status: int) -> None:
    site.pages["/"] = leading_to(target, status)
    message = refused("http://shop.test/", hosts={"shop.test": site.place})

    assert "may be read" in message or "http:// or https://" in message or "a name and a password" in message
    assert site.log == ["/"]


def test_redirects_within_what_is_allowed_are_followed(site: LocalSite) -> None:
    site.pages |= {"/": leading_to("/two"), "/two": leading_to("http://other.test/three"), "/three": "<a href='four'>the end</a>"}
    told = read("http://shop.test/", hosts={"shop.test": site.place, "other.test": site.place})

    assert told.startswith("http://other.test/three")
    assert "[1] http://other.test/four" in told
    assert site.hosts == ["shop.test", "shop.test", "other.test"]


def test_redirects_in_a_circle_and_without_end_are_given_up(site: LocalSite) -> None:
    site.pages |= {"/": leading_to("/two"), "/two": leading_to("/")}
    site.pages |= {f"/{number}": leading_to(f"/{number + 1}") for number in range(20)}

    assert "leads in a circle" in refused("http://shop.test/", hosts={"shop.test": site.place})
    assert "leads on more than 5 times" in refused("http://shop.test/0", hosts={"shop.test": site.place})


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_page_that_is_small_packed_and_huge_unpacked_is_given_up(site: LocalSite, encoding: str) -> None:
    """A gigabyte of zeros in a megabyte: it is not unpacked any further than is allowed."""
    packing = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    bomb = b"".join([*(packing.compress(bytes(10_000_000)) for _ in range(20)), packing.flush()])
    site.pages["/"] = Reply(bomb, headers={"content-encoding": encoding})
    started = time.perf_counter()

    assert (
        refused("http://shop.test/", hosts={"shop.test": site.place}, max_bytes=100_000) == "http://shop.test/ is larger than 100,000 bytes"
    )
    assert time.perf_counter() - started < 2


def test_packed_pages_are_unpacked_and_broken_ones_are_said_to_be(site: LocalSite) -> None:
    packed = gzip.compress(b"<p>the page</p>")
    site.pages |= {
        "/": Reply(packed, headers={"content-encoding": "gzip"}),
        "/cut": Reply(packed[:-9], headers={"content-encoding": "gzip"}),
        "/wrong": Reply(b"<p>plain</p>", headers={"content-encoding": "gzip"}),
        "/brotli": Reply(b"?", headers={"content-encoding": "br"}),
    }
    hosts = {"shop.test": site.place}

    assert "the page" in read("http://shop.test/", hosts=hosts)
    assert "cannot be unpacked" in refused("http://shop.test/cut", hosts=hosts)
    assert "cannot be unpacked" in refused("http://shop.test/wrong", hosts=hosts)
    assert "comes packed as 'br'" in refused("http://shop.test/brotli", hosts=hosts)


def test_a_huge_page_is_not_read_to_its_end(site: LocalSite) -> None:
    written = 0

    def endless(handler: Any) -> None:
        nonlocal written
        handler.send_response(200)
        handler.send_header("content-type", "text/html")
        handler.end_headers()
        for _ in range(2000):
            written += handler.wfile.write(b"word " * 20_000)

    site.pages["/"] = endless

    assert "is larger than 200,000 bytes" in refused("http://shop.test/", hosts={"shop.test": site.place}, max_bytes=200_000)
    assert written < 100_000_000


def test_a_slow_server_is_waited_for_no_longer_than_allowed_however_it_dawdles(site: LocalSite) -> None:
    """One says nothing at all, the other a byte now and then, which no timeout of a single read notices."""
    stop = [False]

    def silent(handler: Any) -> None:
        while not stop[0]:
            time.sleep(0.02)

    def dribbling(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not stop[0]:
            handler.wfile.write(b".")
            handler.wfile.flush()
            time.sleep(0.02)

    site.pages |= {"/silent": silent, "/dribbling": dribbling}
    for path in ("/silent", "/dribbling"):
        started = time.perf_counter()
        message = refused(f"http://shop.test{path}", hosts={"shop.test": site.place}, seconds=0.3)

        assert message == f"http://shop.test{path} did not answer within 0.3 seconds"
        assert time.perf_counter() - started < 2
    stop[0] = True


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_answer_is_said_to_be_none(site: LocalSite, answer: bytes) -> None:
    def broken(handler: Any) -> None:
        handler.wfile.write(answer)
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)

    site.pages["/"] = broken

    assert "http://shop.test/ cannot be reached" in refused("http://shop.test/", hosts={"shop.test": site.place})


def test_a_host_that_is_not_there_is_said_not_to_be_there(names: dict[str, list[str]]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        free = taken.getsockname()[1]

    assert "cannot be reached" in refused("http://shop.test/", hosts={"shop.test": f"127.0.0.1:{free}"})
    assert refused("http://no-such-host.invalid/", "public") == "there is no host no-such-host.invalid"
    assert names == {}


def test_no_proxy_of_the_environment_is_asked(site: LocalSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect to addresses that nobody here has looked at."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:9")

    assert "the page" in read("http://shop.test/", hosts={"shop.test": site.place})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"allowed_hosts": "example.com"}, "a list of hosts, or 'public'"),
        ({"allowed_hosts": ["http://example.com/"]}, "without a path"),
        ({"allowed_hosts": ["*"]}, "without a path"),
        ({"allowed_hosts": ["example.com:99999"]}, "without a path"),
        ({"allowed_hosts": [3]}, "without a path"),
        ({"hosts": {"shop.test": "http://127.0.0.1:1/"}}, "says where the host is"),
        ({"hosts": {"*.test": "127.0.0.1:1"}}, "names alone"),
        ({"hosts": {"shop.test:80": "127.0.0.1:1"}}, "names alone"),
        ({"hosts": ["shop.test"]}, "a mapping from names"),
        ({"allowed_hosts": "public", "max_bytes": 0}, "max_bytes= is a number above 0"),
        ({"allowed_hosts": "public", "seconds": "3"}, "seconds= is a number above 0"),
        ({"allowed_hosts": "public", "search": "a text"}, "search= is a SearchEngine"),
    ],
)
def test_what_cannot_be_is_refused_when_the_tools_are_made(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said.replace("*", r"\*")):
        web_tools(**options)


def test_certificates_are_checked_against_the_name_though_an_address_is_connected_to(
    site: LocalSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address was looked at, the certificate is the name's: a server that cannot show one is not read."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = f"req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate} -days 2 -subj /CN=localhost"
    subprocess.run(["openssl", *request.split(), "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving({"/": "<p>the page</p>"}, context) as secure:
        allowed = [f"localhost:{secure.port}", secure.place, f"localhost:{site.port}"]

        assert "certificate verify failed" in refused(f"https://localhost:{secure.port}/", allowed)
        assert "cannot be reached" in refused(f"https://localhost:{site.port}/", allowed), "it does not speak TLS"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert "the page" in read(f"https://localhost:{secure.port}/", allowed)
        assert "certificate verify failed" in refused(f"https://{secure.place}/", allowed), "the certificate names localhost"
