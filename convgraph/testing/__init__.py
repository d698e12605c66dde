"""A stand-in for a language model's endpoint: an OpenAI-compatible HTTP server that answers from a script.

::

    with ScriptedServer(["Hello.", HttpError(503), "And goodbye."]) as server:
        model = OpenAIChatModel("any", base_url=server.base_url)

Needs nothing but the standard library. `python -m convgraph.testing` runs one by hand.
"""

from convgraph.testing.answers import Answer, Drop, HttpError, RawBody, Truncated, count_tokens
from convgraph.testing.server import Exchange, ScriptedServer

__all__ = ["Answer", "Drop", "Exchange", "HttpError", "RawBody", "ScriptedServer", "Truncated", "count_tokens"]
