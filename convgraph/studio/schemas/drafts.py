"""Graphs that are being written: checked, saved, and what can be put into them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from convgraph.studio.schemas.base import In, Json, Out
from convgraph.studio.schemas.graphs import FindingOut, GraphRow, PictureOut


class SourceOut(Out):
    """A graph's text to open in the editor. `name` is its file's, without `.yaml`; `base` the digest of the file, None for a copy."""

    name: str
    yaml: str
    base: str | None
    editable: bool
    problem: str = ""


class Draft(In):
    """A draft as a text; with `document`, as that, which the text is changed to hold (comments and order stay).

    `collapse` are the sub-graphs and groups that are to be drawn closed; those that are no longer there are passed over.
    """

    yaml: str = Field(max_length=1_000_000)
    document: dict[str, Json] | None = None
    collapse: list[str] = []


class ProblemAt(Out):
    """Why a draft is no graph yet: what is wrong, at which path of the document, and at which line and column of the text (from 1)."""

    message: str
    path: str = ""
    line: int | None = None
    column: int | None = None


class DraftOut(Out):
    """A draft as it stands. `ok`: it can run. `document` is missing where the text is no YAML, the picture where it is no graph.

    `yaml` is the text, `canonical` the same document in the order and style in which graphs are written, without comments.
    """

    ok: bool
    problems: list[ProblemAt]
    yaml: str
    canonical: str = ""
    document: dict[str, Json] | None = None
    findings: list[FindingOut] = []
    picture: PictureOut | None = None
    state_schema: dict[str, Json] | None = None


class Save(In):
    """A draft to be written to the studio's folder; `base` is the digest of the file that was opened, None for a new one."""

    yaml: str = Field(max_length=1_000_000)
    base: str | None = None


class SavedOut(Out):
    """The graph as it is known now, and the digest of its file."""

    graph: GraphRow
    base: str


class WordOut(Out):
    """A name that may be used, and what it means. `fields` are the names behind its dot."""

    name: str
    summary: str
    fields: list[str] = []


class KindOut(Out):
    """A kind of node, agent or model: what it is, and the JSON schema of what can be said of it."""

    name: str
    summary: str
    schema_: dict[str, Json] = Field(alias="schema", serialization_alias="schema")


class CallableOut(Out):
    """Something that a document may import: a tool or function, a guard, or a model of the state."""

    path: str
    name: str
    summary: str
    kind: Literal["tool", "function", "state"]


class PaletteOut(Out):
    """What documents are made of: the words of each list, and what the studio may import (`--allow`)."""

    nodes: list[KindOut]
    agents: list[KindOut]
    models: list[KindOut]
    selectors: list[WordOut]
    on: list[WordOut]
    names: list[WordOut]
    functions: list[WordOut]
    callables: list[CallableOut]
    allowed: list[str]
    problems: list[str]
    document: dict[str, Json]


class TryModel(In):
    """A model as a document describes it, to be asked one short question."""

    model: Json
    question: str = Field("Answer with the one word: ready", max_length=2_000)


class TriedOut(Out):
    """What came of it: the reply and how long it took, or what is wrong."""

    ok: bool
    seconds: float
    reply: str = ""
    model: str = ""
    problem: str = ""
