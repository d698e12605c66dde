"""What a document can be made of: the kinds of nodes, agents and models, the words of guards, and what may be imported."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType, ModuleType
from typing import Any, Final

from pydantic import BaseModel

from convgraph.errors import InputError
from convgraph.graph.documents import json_schema
from convgraph.graph.expressions import FUNCTIONS, VARIABLES
from convgraph.loading.agents import PARTS
from convgraph.loading.importing import module_named
from convgraph.loading.models import SETTINGS
from convgraph.loading.speakers import AGENTS
from convgraph.studio.schemas.drafts import CallableOut, KindOut, PaletteOut, WordOut
from convgraph.tools import Tool

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "number"}
_WHOLE: Final = {"type": "integer"}
_MAP: Final = {"type": "object"}
_YES_NO: Final = {"type": "boolean"}
_LIST: Final = {"type": "array"}

_NODES: Final = MappingProxyType(
    {
        "agent": "Somebody who speaks: a model with a prompt, tools or code, or a person.",
        "function": "A Python function that has the turn: it reads the conversation and the state, and may change the state.",
        "graph": "A conversation inside this one, with nodes and edges of its own; it is one turn here.",
        "parallel": "Several speakers at the same time on the same conversation; what they say is joined in their order.",
        "foreach": "One speaker for each item of a list in the state, at the same time.",
    }
)
_AGENTS: Final = MappingProxyType(
    {
        "AssistantAgent": "A model that works on a task with a prompt and tools.",
        "ConversableAgent": "The general agent: model, tools, code and a person, each if it is given.",
        "UserProxyAgent": "A person, or who stands in for one: is asked, approves, runs code and tools.",
        "GPTAssistantAgent": "A model whose endpoint remembers the conversation (OpenAI's Responses interface).",
        "MultimodalConversableAgent": "An agent whose model sees pictures.",
        "RetrieveAssistantAgent": "An agent that answers from documents that were looked up.",
    }
)
_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "system_message": {"description": "The prompt: who it is and what it is to do.", **_TEXT},
        "model": {
            "description": "Its model: a name, or a mapping with a type; null: none.",
            "type": ["string", "object", "null"],
        },
        "default_auto_reply": {"description": "What it says when nothing else has a reply.", "type": ["string", "null"]},
        "tools": {"description": "Functions that its model may call.", "items": {**_MAP, "properties": {"call": _TEXT}}, **_LIST},
        "executes": {"description": "Functions that it carries out for others.", "items": _MAP, **_LIST},
        "response_format": {"description": "{name, schema}: the form of its answers.", **_MAP},
        "code_execution": {"description": "Where code that others write is run; null for nowhere.", "type": ["object", "null"]},
        "max_consecutive_auto_reply": {"description": "How often it replies before a person is asked.", **_WHOLE},
        "human_input_mode": {"description": "When a person is asked.", "enum": ["NEVER", "TERMINATE", "ALWAYS"]},
        "is_termination_msg": {"description": "A function that says whether a message ends the chat.", **_MAP},
    }
)
_MODELS: Final = MappingProxyType(
    {
        "openai_chat": "Any OpenAI-compatible endpoint (OpenAI, Azure, Ollama, vLLM …): chat completions.",
        "openai_responses": "OpenAI's Responses interface, which can remember conversations.",
        "openai_decisions": "An endpoint that decides between named choices and says how sure it is.",
        "similarity": "Chooses by how near meanings are; runs on this machine and writes no text.",
        "fallback": "Several models: the next one answers where one fails.",
        "cached": "Another model whose answers are kept, so that the same question is asked once.",
        "structured": "Another model whose answers fit a JSON schema.",
        "client": "A client of one's own, registered in Python.",
        "scripted": "Fixed replies: no key, no network, no cost. For trying a graph out.",
    }
)
_SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "model": {"description": "The model's name at its endpoint.", "type": ["string", "object"]},
        "name": {"description": "What it is called in records.", **_TEXT},
        "params": {"description": "Sent with each request: {temperature: 0, seed: 1} …", **_MAP},
        "base_url": {
            "description": "The endpoint's address; its key is read from OPENAI_API_KEY.",
            **_TEXT,
        },
        "azure_endpoint": _TEXT,
        "azure_deployment": _TEXT,
        "api_version": _TEXT,
        "price": {"description": "US dollars for 1,000 input and 1,000 output tokens.", **_LIST, "items": _NUMBER},
        "timeout": {"description": "The longest silence, in seconds.", **_NUMBER},
        "max_retries": {"description": "How often what is worth it is tried again.", **_WHOLE},
        "stream": _YES_NO,
        "unsure_below": {"description": "Below which probability the choice counts as none.", **_NUMBER},
        "embedder": _MAP,
        "temperature": _NUMBER,
        "messages": _WHOLE,
        "models": {"description": "The models in the order in which they are tried.", **_LIST},
        "cache": {"description": "{type: disk, seed: 42} or {type: memory}", **_MAP},
        "schema": {"description": "The JSON schema that answers fit.", **_MAP},
        "schema_name": _TEXT,
        "client": _TEXT,
        "replies": {
            "description": "In order; or by what the last message says (a regular expression).",
            "type": ["array", "object"],
        },
        "repeat": {"description": "Whether the last reply is given again and again.", **_YES_NO},
    }
)
_SELECTORS: Final = (
    WordOut(name="first", summary="the first edge whose guard holds, by priority and order"),
    WordOut(name="round_robin", summary="each in turn"),
    WordOut(name="random", summary="by chance; the draw is recorded"),
    WordOut(name="auto", summary="a model chooses among the edges whose guard holds"),
    WordOut(name="manual", summary="a person chooses"),
    WordOut(name="callable", summary="a Python function, named in the graph's detail.selectors"),
)
_ON: Final = (
    WordOut(name="reply", summary="when the node has spoken"),
    WordOut(name="error", summary="when the node has failed, after its retries"),
    WordOut(name="limit", summary="when a limit of the graph is used up"),
)
_MESSAGE: Final = ["sender", "content", "role", "name", "data", "tool_calls"]
_NAMES: Final[Mapping[str, tuple[str, list[str]]]] = MappingProxyType(
    {
        "last": ("the last message", _MESSAGE),
        "messages": ("all messages so far, a list", _MESSAGE),
        "state": ("the typed state", []),
        "turn": ("the number of the turn just made", []),
        "visits": ("how often each node has had the turn: visits['critic']", []),
        "usage": ("model calls, tokens and dollars so far", ["calls", "tokens", "input_tokens", "output_tokens", "usd"]),
        "error": ("the error of the turn just made", ["type", "message", "node"]),
        "sender": ("the node that had the turn", []),
        "declined": ("whether that node said nothing", []),
    }
)
_FUNCTIONS: Final = MappingProxyType(
    {
        "contains": 'last.content.contains("APPROVED")',
        "startsWith": 'last.content.startsWith("Yes")',
        "endsWith": 'last.content.endsWith("?")',
        "matches": 'last.content.matches("(?i)done")',
        "size": "size(messages) > 10",
        "has": "has(last.data.score)",
        "all": "state.reviews.all(r, r.ok)",
        "exists": 'messages.exists(m, m.sender == "critic")',
        "exists_one": "state.votes.exists_one(v, v)",
        "map": "state.items.map(i, i.price)",
        "filter": "size(state.items.filter(i, i.open)) == 0",
    }
)


def palette(allow: Collection[str]) -> PaletteOut:
    """All that a page offers to somebody who writes a document. Imports the allowed modules; one that fails is a problem, not an error."""
    found, problems = list[CallableOut](), list[str]()
    for name in sorted(allow):
        try:
            found.extend(_callables(module_named(name, repr(name))))
        except InputError as error:
            problems.append(str(error))
    options: Mapping[str, Any] = json_schema()["$defs"]["node"]["properties"]
    return PaletteOut(
        nodes=[KindOut(name=name, summary=summary, schema={**_MAP, "properties": dict(options)}) for name, summary in _NODES.items()],
        agents=[KindOut(name=name, summary=_AGENTS.get(name, ""), schema=_schema(PARTS, _OPTIONS)) for name in AGENTS],
        models=[KindOut(name=name, summary=_MODELS.get(name, ""), schema=_schema(keys, _SETTINGS)) for name, keys in SETTINGS.items()],
        selectors=list(_SELECTORS),
        on=list(_ON),
        names=[WordOut(name=name, summary=_NAMES[name][0], fields=_NAMES[name][1]) for name in VARIABLES],
        functions=[WordOut(name=name, summary=_FUNCTIONS.get(name, "")) for name in sorted(FUNCTIONS)],
        callables=found,
        allowed=sorted(allow),
        problems=problems,
        document=json_schema(),
    )


def _schema(keys: Collection[str], known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {**_MAP, "properties": {key: dict(known.get(key, {})) for key in keys if key != "type"}, "additionalProperties": False}


def _callables(module: ModuleType) -> Iterator[CallableOut]:
    """What is defined in a module, and not just imported by it."""
    for name, value in vars(module).items():
        kind = _kind(value, module.__name__)
        if kind is not None and not name.startswith("_"):
            yield CallableOut(path=f"{module.__name__}:{name}", name=name, summary=_summary(value), kind=kind)


def _kind(value: Any, module: str) -> Any:
    if isinstance(value, Tool):
        return "tool"
    if getattr(value, "__module__", None) != module:
        return None
    if inspect.isfunction(value):
        return "function"
    return "state" if inspect.isclass(value) and issubclass(value, BaseModel) else None


def _summary(value: Any) -> str:
    said: Sequence[str] = (value.description if isinstance(value, Tool) else inspect.getdoc(value) or "").strip().splitlines()
    return said[0] if said else ""
