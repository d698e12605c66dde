"""What the studio's HTTP interface takes and gives: each model is one kind of JSON object, and the OpenAPI document is made of them.

Ids of nodes and edges are the picture's (`convgraph.drawing.picture`): `critic`, `review/critic`, `#3`, `review#3`. Times are seconds
since 1970, durations seconds, money US dollars.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from convgraph.journal.store import RunStatus

RunId: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
Json: TypeAlias = Any


class Out(BaseModel):
    """What is given: nothing else than what it says."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class In(BaseModel):
    """What is taken: an unknown field is refused, for it would be passed over."""

    model_config = ConfigDict(extra="forbid")


class Problem(Out):
    """Why something was refused. `error` is the name of a class in `convgraph.errors`, `message` says what, where, and what to do."""

    error: str
    message: str
    details: list[dict[str, Json]] = []


class Session(Out):
    """What the page has to know of the studio it belongs to. `folder` is where graphs are saved, if anywhere."""

    version: str
    store: str
    folder: str | None
    default_model: str


# --- graphs ---


class FindingOut(Out):
    """A finding of `check`; `node` or `edge` is the picture's id of what it concerns, where that is in the picture."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    where: str
    hint: str
    node: str | None = None
    edge: str | None = None


class PictureNodeOut(Out):
    """A node or symbol of the picture. `dom` is the id of its group in the SVG; `inside` counts what a closed node holds."""

    id: str
    dom: str
    name: str
    shape: str
    cluster: str
    description: str
    notes: list[str]
    inside: int
    origin: str


class PictureEdgeOut(Out):
    """An arrow. `stands_for` are the ids of the transitions that it shows (an arrow may show several)."""

    id: str
    dom: str
    source: str
    target: str
    on: str
    label: str
    guard: str
    opaque: bool
    priority: int
    stands_for: list[str]
    origin: str


class ClusterOut(Out):
    """A sub-graph or group that is drawn open; closing it is `collapse=<id>`."""

    id: str
    dom: str
    name: str
    shape: str
    parent: str


class PictureOut(Out):
    """The graph as it is drawn: an SVG without scripts or links, and what its parts mean. Without Graphviz `svg` is empty."""

    svg: str
    mermaid: str
    nodes: list[PictureNodeOut]
    edges: list[PictureEdgeOut]
    clusters: list[ClusterOut]
    problem: str = ""


class GraphRow(Out):
    """A graph that the studio knows. `kind` says where it is from; a `document` in the studio's folder can be edited."""

    id: str
    name: str
    target: str
    kind: Literal["python", "document", "gallery"]
    editable: bool
    nodes: int
    errors: int
    warnings: int
    description: str = ""
    problem: str = ""


class GraphOut(GraphRow):
    """A graph with all that can be told of it without running it."""

    fingerprint: str
    document: dict[str, Json]
    yaml: str
    findings: list[FindingOut]
    picture: PictureOut
    state_schema: dict[str, Json] | None
    origin: str = ""


# --- runs ---


class UsageOut(Out):
    """Model calls, their tokens and their price."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0


class LimitOut(Out):
    """A limit and how much of it is used; `of` is the node, for a limit on visits."""

    name: Literal["turns", "visits", "seconds", "tokens", "usd"]
    used: float
    limit: float
    of: str = ""


class RunRow(Out):
    """A run as it is listed. `live` says whether it goes on in the studio's own process, `graph_id` which known graph is its."""

    run_id: str
    graph: str
    graph_id: str | None
    status: RunStatus
    reason: str
    created: float
    updated: float
    parent: str
    parent_step: int
    labels: list[str]
    questions: int
    live: bool


class RunPage(Out):
    """Some of the runs, the newest first. `before` is what to ask for to get those that follow, None where there are none."""

    runs: list[RunRow]
    before: str | None


class RunOut(RunRow):
    """A run with its sums so far. `problem` says why it cannot be shown on a graph or gone on with, where it cannot."""

    steps: int
    usage: UsageOut
    limits: list[LimitOut]
    opening: list[MessageOut]
    current: str | None
    last_seq: int
    problem: str = ""


class ToolCallOut(Out):
    """A model's wish to call a tool."""

    id: str
    name: str
    arguments: str


class PartOut(Out):
    """A part of a message: a text, or a picture as a `data:` URL of an image type (never another address)."""

    kind: Literal["text", "image", "other"]
    text: str = ""
    image: str = ""


class MessageOut(Out):
    """A message as it was said."""

    sender: str
    role: str
    parts: list[PartOut]
    tool_calls: list[ToolCallOut] = []
    tool_call_id: str | None = None
    data: Json = None


class StepRow(Out):
    """A step in short: enough for a list of thousands. `text` is the beginning of what was said.

    `edge` is the transition that was taken after it, None where the run ended there; `inner` counts turns nested in it, `effects` what
    was done by kind. Sums are for this step; `at` is when it was written, `seq` its event. `more` says that there is more to see than
    the text; `edited` that a fork has put other words in its place; `then` is what its user said after it, in a continued conversation.
    """

    step: int
    seq: int
    path: str
    node: str
    sender: str
    text: str
    target: str | None
    edge: str | None
    at: float
    seconds: float
    tokens: int
    usd: float
    error: str = ""
    inner: int = 0
    effects: dict[str, int] = {}
    more: bool = False
    edited: bool = False
    then: str = ""


class StepPage(Out):
    """Steps `first` to `first + len(steps) - 1`, of `total` so far."""

    total: int
    first: int
    steps: list[StepRow]


class GuardOut(Out):
    """A way out of the node and what became of it. `value` is `true`, `false` or what went wrong."""

    edge: str
    target: str
    label: str
    guard: str
    on: str
    priority: int
    value: str
    taken: bool
    why: str


class ChoiceOut(Out):
    """Who came next and why: each way out with its guard's value, who chose, what a selecting model or person answered."""

    node: str
    guards: list[GuardOut]
    target: str | None
    edge: str | None
    chosen_by: str
    answers: list[str]
    distribution: dict[str, float] | None
    reason: str


class EffectOut(Out):
    """Something that was done in a turn. `request` and `result` are shown as text or JSON; unfinished effects have no `result`."""

    path: str
    kind: str
    name: str
    ordinal: int
    started: bool
    finished: bool
    request: Json = None
    result: Json = None
    error: str = ""
    seconds: float = 0.0
    usage: UsageOut = UsageOut()


class ChangeOut(Out):
    """A difference at a place of the state, as in `a.b[0]`. `before` or `after` is missing where it was added or removed."""

    place: str
    kind: Literal["added", "removed", "changed"]
    before: Json = None
    after: Json = None


class StepOut(StepRow):
    """A step in full: what was said and done, the state after it and what changed, what nested turns said, and the choice that followed.

    `visits` says how often each node had had the turn by then, nested ones too, by the picture's ids.
    """

    messages: list[MessageOut]
    done: list[EffectOut]
    nested: list[StepRow]
    attempts: list[str]
    choice: ChoiceOut | None
    state: Json
    changes: list[ChangeOut]
    usage: UsageOut
    limits: list[LimitOut]
    visits: dict[str, int] = {}
    problem: str = ""


class DivergenceOut(Out):
    """Where a replay differed from the record."""

    step: int
    message: str
    diff: str


class ReplayOut(Out):
    """What came of a replay: no model, tool or person was asked."""

    same: bool
    steps: int
    warnings: list[str]
    divergence: DivergenceOut | None


class ComparedStep(Out):
    """The same place in two runs."""

    step: int
    left: StepRow | None
    right: StepRow | None
    same: bool


class ComparisonOut(Out):
    """Two runs beside each other: how many steps they share, then each step of both, and how their states and costs differ."""

    left: RunOut
    right: RunOut
    common: int
    steps: list[ComparedStep]
    state: list[ChangeOut]


# --- what is asked of the studio ---


class LimitsIn(In):
    """Limits instead of the graph's."""

    turns: int | None = Field(None, ge=1)
    seconds: float | None = Field(None, gt=0)
    tokens: int | None = Field(None, ge=1)
    usd: float | None = Field(None, gt=0)


class StandIn(In):
    """Who answers in place of the graph's models: `replies` in order (after the last one, again from the first), or another model."""

    replies: list[str] | None = None
    model: Json = None


class BeginRun(In):
    """Begin a run of a known graph, or of a document that is being written."""

    graph: str | None = None
    document: str | None = Field(None, description="YAML or JSON of a graph, instead of `graph`")
    input: str | None = None
    state: dict[str, Json] | None = None
    limits: LimitsIn | None = None
    labels: list[str] = []
    run_id: str | None = None
    models: StandIn | None = None


class GoOn(In):
    """Resume a run: with answers, new limits, or its unfinished turn anew."""

    answers: dict[str, Json] = {}
    limits: LimitsIn | None = None
    redo_turn: bool = False


class SayNext(In):
    """Continue an ended conversation with its user's next message."""

    input: str
    state: dict[str, Json] | None = None


class Fork(In):
    """Make a new run of another's first steps, with another last message or other fields of the state; and begin it."""

    at: int = Field(ge=1)
    message: str | None = None
    state: dict[str, Json] | None = None
    run_id: str | None = None
    begin: bool = True


class Labels(In):
    """All the labels that a run is to have."""

    labels: list[str]


class Answer(In):
    """What a person says. With `resume`, the run goes on at once in this process, where the studio knows its graph."""

    value: Json
    resume: bool = True


class AnsweredOut(Out):
    """What came of an answer that was taken: whether the run goes on with it here, and if not, the `problem` or nothing was asked for."""

    resumed: bool
    problem: str = ""


class QuestionOut(Out):
    """A question that waits for a person. `kind`: a question, a tool call or code that somebody has to allow, an effect in doubt."""

    run_id: str
    id: str
    graph: str
    graph_id: str | None
    to: str
    prompt: str
    schema_: dict[str, Json] = Field(alias="schema", serialization_alias="schema")
    asked: float
    kind: Literal["question", "tool", "code", "doubt"]
    subject: Json = None


RunOut.model_rebuild()


# --- graphs that are being written ---


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
