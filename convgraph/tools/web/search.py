"""What finds pages for a query: any search engine that answers in JSON, or, for a small site, a look at all of its pages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast, runtime_checkable
from urllib.parse import quote

from convgraph.errors import DefinitionError
from convgraph.tools.web.access import Access, Unreadable, above_zero, access
from convgraph.tools.web.fetching import Fetch, Fetcher, parsed
from convgraph.tools.web.pages import decoded


@dataclass(frozen=True, slots=True)
class Found:
    """A page that was found: its address, its title, and what it says about the query."""

    url: str
    title: str = ""
    snippet: str = ""


@runtime_checkable
class SearchEngine(Protocol):
    """Finds pages."""

    @property
    def about(self) -> str:
        """What is searched, in words for a model: `the site http://handbook.test/`. It is part of an agent's definition."""
        ...

    async def search(self, query: str, limit: int, fetch: Fetch) -> Sequence[Found]:
        """At most `limit` pages for the query, best first. `fetch` reads what the tools may read. Raises `Unreadable`."""
        ...


@dataclass(frozen=True, slots=True)
class JsonSearch:
    """A search engine that answers in JSON, such as SearXNG: `JsonSearch("https://searx.example.com/search?format=json&q={query}")`.

    `results` says where in the answer the list of results is (keys with dots between them), and `url`, `title` and `snippet`
    where each result has these. `headers` are sent with each query, and are never stored or shown: a key belongs there, not
    into `address`. The engine's own host may be asked by this class alone; the model cannot read it unless it may anyway.
    """

    address: str
    results: str = "results"
    url: str = "url"
    title: str = "title"
    snippet: str = "content"
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    seconds: float = 20.0

    def __post_init__(self) -> None:
        address: Any = self.address
        if not isinstance(address, str) or "{query}" not in address:
            raise DefinitionError(f"JsonSearch's address says with {{query}} where the query belongs, and {address!r:.200} does not")
        if not _are_texts(self.headers):
            raise DefinitionError("JsonSearch's headers= are texts by their names")
        above_zero("seconds", self.seconds)
        try:
            self._access()
        except Unreadable as error:
            raise DefinitionError(f"JsonSearch's address cannot be asked: {error}") from error

    @property
    def about(self) -> str:
        """The engine's host."""
        return f"the web, by way of {parsed(self.address).host}"

    async def search(self, query: str, limit: int, fetch: Fetch) -> Sequence[Found]:  # noqa: ARG002  # an engine is asked by itself
        """What the engine answers. Raises `Unreadable` where that is not what was expected."""
        ask = Fetcher(self._access(), seconds=self.seconds, headers=tuple(self.headers.items()))
        answer = await ask(self.address.replace("{query}", quote(query, safe="")))
        try:
            results = _at(json.loads(decoded(answer.body, answer.charset)), self.results)
        except (ValueError, RecursionError):
            raise Unreadable("the search engine answered with something that is not JSON") from None
        if not isinstance(results, list):
            raise Unreadable(f"the search engine's answer has no list of results at {self.results!r}")
        listed = [Found(*(_text(_at(each, path)) for path in (self.url, self.title, self.snippet))) for each in cast("list[Any]", results)]
        return [each for each in listed if each.url][:limit]

    def _access(self) -> Access:
        """What is read for it: its own host, and nothing else."""
        url = parsed(self.address.replace("{query}", "query"))
        own = access([f"{url.host}:{url.port}" if url.port else url.host or "?"])
        own.check(url)
        return own


def _are_texts(headers: Any) -> bool:
    if not isinstance(headers, Mapping):
        return False
    pairs = cast("Mapping[Any, Any]", headers).items()
    return all(isinstance(name, str) and isinstance(text, str) for name, text in pairs)


def _at(value: Any, path: str) -> Any:
    """What is at a path such as `web.results` or `results.0.url`; None where there is nothing."""
    for key in path.split("."):
        if isinstance(value, Mapping):
            value = cast("Mapping[str, Any]", value).get(key)
        elif isinstance(value, list) and key.isdigit() and int(key) < len(cast("list[Any]", value)):
            value = cast("list[Any]", value)[int(key)]
        else:
            return None
    return value


def _text(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""
