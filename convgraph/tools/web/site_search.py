"""Search in a small site: all of its pages are looked at, as far as its `robots.txt` allows, and ranked by the words in them."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

from convgraph.errors import DefinitionError
from convgraph.runtime.threads import in_thread
from convgraph.tools.web.access import Unreadable, above_zero
from convgraph.tools.web.fetching import AGENT, Fetch
from convgraph.tools.web.html_text import Text
from convgraph.tools.web.pages import decoded, text_of
from convgraph.tools.web.search import Found

_WORD = re.compile(r"\w+")
_SATURATION, _LENGTH = 1.5, 0.75
"""BM25's usual settings: how soon more of a word counts no more, and how much long pages are held back."""
_IN_TITLE = 4
"""How many times a word of the title counts."""
_AROUND = 160
"""Characters of a page that are shown with it."""


@dataclass(frozen=True, slots=True)
class SiteSearch:
    """Searches the site that begins at `start_url`: at most `pages` pages, at most `depth` links away, for at most `seconds`.

    Each search looks at the site anew, so it fits sites that are small, and near. Nothing outside of the site's own host is
    looked at, nor what its `robots.txt` forbids, nor what the tools may not read.
    """

    start_url: str
    pages: int = 50
    depth: int = 3
    seconds: float = 60.0

    def __post_init__(self) -> None:
        start: Any = self.start_url
        if not isinstance(start, str) or urlsplit(start).scheme not in ("http", "https") or not urlsplit(start).hostname:
            raise DefinitionError(f"SiteSearch's start_url is a whole address, http://… or https://…, not {start!r:.200}")
        bounds: tuple[Any, Any] = (self.pages, self.depth)
        if not all(isinstance(bound, int) for bound in bounds) or self.pages < 1 or self.depth < 0:
            raise DefinitionError(f"SiteSearch looks at 1 page or more, 0 links away or more; not {self.pages!r} and {self.depth!r}")
        above_zero("seconds", self.seconds)

    @property
    def about(self) -> str:
        """The site's first address."""
        return f"the site {self.start_url}"

    async def search(self, query: str, limit: int, fetch: Fetch) -> Sequence[Found]:
        """The site's pages that have words of the query, those that say most about them first. Raises `Unreadable` for no site."""
        site = await self.crawl(fetch)
        return await in_thread(ranked, site, query, limit)

    async def crawl(self, fetch: Fetch) -> dict[str, Text]:
        """The site's pages by their addresses, the nearest first. A page that cannot be read is passed over, the first one excepted."""
        start = urldefrag(self.start_url)[0]
        robots = await _robots(start, fetch)
        site: dict[str, Text] = {}
        known, level = {start}, [start]
        end = time.monotonic() + self.seconds
        for _ in range(self.depth + 1):
            following: list[str] = []
            for url in level:
                if len(site) >= self.pages or time.monotonic() > end:
                    return site
                if not robots.can_fetch(AGENT, url):
                    continue
                try:
                    page = await text_of(await fetch(url), self.seconds)
                except Unreadable:
                    if url == start:
                        raise
                    continue
                site[url] = page
                new = [link for link in map(_without_fragment, page.links) if link not in known and _same_host(link, start)]
                known.update(new)
                following += dict.fromkeys(new)
            level = following
        return site


def ranked(site: Mapping[str, Text], query: str, limit: int) -> list[Found]:
    """The pages that have words of the query, by BM25, at most `limit`."""
    wanted = set(_words(query))
    counts = {url: Counter([*_words(" ".join(page.blocks)), *_words(page.title) * _IN_TITLE]) for url, page in site.items()}
    usual = sum(count.total() for count in counts.values()) / max(len(counts), 1) or 1.0
    rarity: dict[str, float] = {}
    for word in wanted:
        having = sum(word in count for count in counts.values())
        rarity[word] = math.log(1 + (len(counts) - having + 0.5) / (having + 0.5))

    def score(count: Counter[str]) -> float:
        held_back = _SATURATION * (1 - _LENGTH + _LENGTH * count.total() / usual)
        return sum(rarity[word] * count[word] * (_SATURATION + 1) / (count[word] + held_back) for word in wanted if count[word])

    scores = {url: score(count) for url, count in counts.items()}
    best = sorted((url for url in scores if scores[url] > 0), key=lambda url: -scores[url])[:limit]
    return [Found(url, site[url].title, _snippet(site[url], wanted)) for url in best]


async def _robots(start: str, fetch: Fetch) -> RobotFileParser:
    """What the site lets be read. Where it does not say so, that is everything."""
    robots = RobotFileParser()
    try:
        found = await fetch(urljoin(start, "/robots.txt"))
    except Unreadable:
        robots.parse([])
    else:
        robots.parse(decoded(found.body, found.charset).splitlines())
    return robots


def _snippet(page: Text, wanted: set[str]) -> str:
    """What the page says about the words: from its block that has most of them."""
    if not page.blocks:
        return ""
    block = max(page.blocks, key=lambda block: len(wanted & set(_words(block))))
    first = next((found.start() for found in _WORD.finditer(block) if found[0].casefold() in wanted), 0)
    start = max(0, first - _AROUND // 2)
    shown = " ".join(block[start : start + _AROUND * 2].split())
    return f"{'…' if start else ''}{shown}{'…' if start + _AROUND * 2 < len(block) else ''}"


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _without_fragment(url: str) -> str:
    return urldefrag(url)[0]


def _same_host(url: str, other: str) -> bool:
    return urlsplit(url)[:2] == urlsplit(other)[:2]
