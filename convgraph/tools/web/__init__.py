"""The web for models: pages that may be read, as text; search; and nothing beyond what was allowed."""

from __future__ import annotations

from convgraph.tools.web.access import Unreadable
from convgraph.tools.web.fetching import Fetch, Fetched
from convgraph.tools.web.search import Found, JsonSearch, SearchEngine
from convgraph.tools.web.site_search import SiteSearch
from convgraph.tools.web.tools import web_tools

__all__ = ["Fetch", "Fetched", "Found", "JsonSearch", "SearchEngine", "SiteSearch", "Unreadable", "web_tools"]
