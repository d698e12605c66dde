"""What a scripted turn could do to make a guard true: proposals, to be tried on the pure machine.

Nothing here understands guards. The literals in a guard's text (or in a callable's code) are harvested, and the turns
that put them, or something just above, below or around them, where the guard looks are listed, the simplest first.
The machine, with the real guards, decides which of them fits.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any

from convgraph.graph.definition import On
from convgraph.graph.guards import CallableGuard, Guard
from convgraph.graph.paths.regex_samples import sample
from convgraph.graph.paths.scripts import ScriptedTurn
from convgraph.graph.state import ErrorInfo, State
from convgraph.messages import Usage

MAX_LENGTH = 5_000
"""The longest content that is tried."""

_STRING = re.compile(r'[rR]?(?:"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')')
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_MATCHES = re.compile(r"matches\s*\(\s*\Z")
_DATA_KEY = re.compile(r"""\bdata\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*["']([^"']+)["']\s*\])""")

Change = Callable[[ScriptedTurn], ScriptedTurn]
"""One way in which a turn may differ from the plainest one."""


@dataclass(frozen=True, slots=True)
class Literals:
    """The constants that some guards mention, in the order in which they do."""

    texts: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    numbers: tuple[int | float, ...] = ()
    data_keys: tuple[str, ...] = ()

    @classmethod
    def of(cls, guards: Iterable[Guard]) -> Literals:
        """The constants in the guards' texts; in the code of those that are Python."""
        found = [_in_code(guard) if isinstance(guard, CallableGuard) else _in_text(guard.text) for guard in guards]
        return cls(*(tuple(dict.fromkeys(itertools.chain.from_iterable(parts))) for parts in zip(*found, strict=True))) if found else cls()

    @property
    def around(self) -> tuple[int | float, ...]:
        """Each number, then the one above and the one below."""
        return tuple(dict.fromkeys(number + step for step in (0, 1, -1) for number in self.numbers))


def proposals(node: str, guards: Sequence[Guard], state: State, on: On) -> Iterator[ScriptedTurn]:
    """Turns of `node` that may make some of `guards` true and others false, the simplest first.

    `on` says whether it replies or raises. There may be very many: take as many as you can afford.
    """
    literals = Literals.of(guards)
    reads = frozenset[str]().union(*(guard.reads for guard in guards))
    kinds: list[Sequence[Change]] = []
    if on == "error":
        if "error" in reads:
            kinds.extend(_errors(literals))
    elif reads & {"last", "messages", "declined"}:
        kinds.append(_contents(literals, "declined" in reads))
        kinds.append(_message_data(literals, guards))
    if "state" in reads and on == "reply":
        kinds.extend(_updates(literals, guards, state))
    if "usage" in reads:
        kinds.append(_usages(literals))
    return _combined(plain(node, on), [kind for kind in kinds if kind])


def plain(node: str, on: On = "reply") -> ScriptedTurn:
    """The simplest turn: the node says something of no meaning, or raises."""
    return ScriptedTurn(node, error=ErrorInfo("ScriptedError", "as scripted")) if on == "error" else ScriptedTurn(node, f"{node} speaks.")


def _combined(simplest: ScriptedTurn, kinds: Sequence[Sequence[Change]]) -> Iterator[ScriptedTurn]:
    """The plain turn, then all with one change, then all with two of different kinds, and so on."""
    for size in range(len(kinds) + 1):
        for chosen in itertools.combinations(kinds, size):
            for changes in itertools.product(*chosen):
                turn = simplest
                for change in changes:
                    turn = change(turn)
                yield turn


def _contents(literals: Literals, may_decline: bool) -> list[Change]:
    texts = dict.fromkeys(literals.texts)
    texts.update(dict.fromkeys(sample(pattern, branch) for pattern in literals.patterns for branch in (0, 1)))
    for size in (2, 3):
        texts.update(dict.fromkeys(" ".join(parts) for parts in itertools.islice(itertools.permutations(literals.texts, size), 30)))
    texts.update(
        dict.fromkeys(f"{before}{text}{after}" for text in literals.texts for before, after in (("", " …"), ("… ", ""), ("… ", " …")))
    )
    texts.update(dict.fromkeys(str(number) for number in literals.around))
    texts.update(dict.fromkeys("x" * int(number) for number in literals.around if 0 <= number <= MAX_LENGTH))
    texts[""] = None
    changes = [_setting(content=text) for text in texts]
    return [_setting(content=None), *changes] if may_decline else [*changes, _setting(content=None)]


def _message_data(literals: Literals, guards: Iterable[Guard]) -> list[Change]:
    if not any("data" in guard.text or (isinstance(guard, CallableGuard) and "data" in _names(guard)) for guard in guards):
        return []
    values: list[Any] = [True, False, *literals.around, *literals.texts]
    keyed = itertools.product(values, repeat=len(literals.data_keys)) if literals.data_keys else ()
    together = [dict(zip(literals.data_keys, chosen, strict=True)) for chosen in itertools.islice(keyed, 200)]
    return [_setting(data=value) for value in [*together, *values]]


def _updates(literals: Literals, guards: Iterable[Guard], state: State) -> list[list[Change]]:
    """For each field of the state that a guard reads, the values that it could be given."""
    if state.schema is None or state.data is None:
        return []
    keys: set[str] = set()
    for guard in guards:
        named = getattr(guard, "state_keys", None)
        keys |= (
            named
            if named is not None
            else set(state.schema.fields) & _names(guard)
            if isinstance(guard, CallableGuard)
            else state.schema.fields
        )
    document = state.schema.model.model_json_schema()
    kinds: list[list[Change]] = []
    for key in sorted(keys & state.schema.fields):
        values = list(values_of(document["properties"].get(key, {}), literals, document.get("$defs", {})))
        current = getattr(state.data, key)
        if key in state.schema.reducers and isinstance(current, int | float):
            values += [value - current for value in values if isinstance(value, int | float)]
        kinds.append([_updating(key, value) for value in _distinct(values)])
    return kinds


def values_of(schema: Mapping[str, Any], literals: Literals, definitions: Mapping[str, Any], depth: int = 0) -> Iterator[Any]:
    """Values that fit a JSON schema and that a guard with these literals may be looking for."""
    if "$ref" in schema:
        schema = definitions.get(str(schema["$ref"]).rpartition("/")[2], {})
    if depth > 3:
        return
    if "const" in schema:
        yield schema["const"]
    elif "enum" in schema:
        yield from schema["enum"]
    elif "anyOf" in schema:
        for option in schema["anyOf"]:
            yield from values_of(option, literals, definitions, depth + 1)
    elif schema.get("type") == "array":
        yield from _arrays(schema.get("items", {}), literals, definitions, depth)
    elif schema.get("type") == "object":
        yield from _objects(schema, literals, definitions, depth)
    else:
        yield from _scalars(schema.get("type"), literals)


def _scalars(kind: str | None, literals: Literals) -> Iterator[Any]:
    """Values of one JSON type; where the schema names none, of any."""
    if kind in ("boolean", None):
        yield from (True, False)
    if kind in ("string", None):
        yield from (*literals.texts, *(sample(pattern) for pattern in literals.patterns), "text", "")
    if kind in ("integer", "number", None):
        yield from (number for number in _numbers(literals) if kind != "integer" or number == int(number))
    if kind == "null":
        yield None


def _arrays(items: Mapping[str, Any], literals: Literals, definitions: Mapping[str, Any], depth: int) -> Iterator[list[Any]]:
    members = list(itertools.islice(values_of(items, literals, definitions, depth + 1), 12)) or ["item"]
    yield from ([member] for member in members)
    yield []
    for number in literals.around:
        if 1 < number <= 100:
            yield list(itertools.islice(itertools.cycle(members), int(number)))
    yield members


def _objects(schema: Mapping[str, Any], literals: Literals, definitions: Mapping[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    if not properties:
        yield from ({key: value} for key in literals.texts for value in (True, "text", *literals.numbers))
        yield {}
        return
    options = [list(itertools.islice(values_of(inner, literals, definitions, depth + 1), 6)) or [None] for inner in properties.values()]
    yield from (dict(zip(properties, chosen, strict=True)) for chosen in itertools.islice(itertools.product(*options), 60))


def _numbers(literals: Literals) -> tuple[int | float, ...]:
    return tuple(dict.fromkeys((*literals.around, 0, 1)))


def _usages(literals: Literals) -> list[Change]:
    spent = [number for number in literals.around if number > 0]
    return [_setting(usage=Usage(1, int(number), 0, 0.0)) for number in spent] + [
        _setting(usage=Usage(1, 1, 0, float(number))) for number in spent
    ]


def _errors(literals: Literals) -> list[list[Change]]:
    def typed(text: str) -> Change:
        return lambda turn: replace(turn, error=(turn.error or ErrorInfo("", ""))._replace(type=text))

    def worded(text: str) -> Change:
        return lambda turn: replace(turn, error=(turn.error or ErrorInfo("", ""))._replace(message=text))

    texts = [*literals.texts, *(sample(pattern) for pattern in literals.patterns)]
    return [[typed(text) for text in texts if text.isidentifier()], [worded(text) for text in texts]]


def _setting(**changes: Any) -> Change:
    return lambda turn: replace(turn, **changes)


def _updating(key: str, value: Any) -> Change:
    return lambda turn: replace(turn, update={**turn.update, key: value})


def _distinct(values: Iterable[Any]) -> list[Any]:
    """The values without repeats; 1 and True are two values."""
    return list({repr(value): value for value in values}.values())


def _in_text(text: str) -> tuple[list[str], list[str], list[int | float], list[str]]:
    texts: list[str] = []
    patterns: list[str] = []
    for found in _STRING.finditer(text):
        said = _unquoted(found.group())
        (patterns if _MATCHES.search(text, 0, found.start()) else texts).append(said)
    numbers = [_number(found) for found in _NUMBER.findall(_STRING.sub('""', text))]
    keys = [first or second for first, second in _DATA_KEY.findall(text)]
    indexes = {second for _, second in _DATA_KEY.findall(text)}
    return [said for said in texts if said not in indexes], patterns, numbers, keys


def _unquoted(literal: str) -> str:
    try:
        return ast.literal_eval(literal)
    except (SyntaxError, ValueError):  # an escape that CEL has and Python has not
        return literal.lstrip("rR")[1:-1]


def _number(text: str) -> int | float:
    return int(text) if text.isdigit() else float(text)


def _in_code(guard: CallableGuard) -> tuple[list[str], list[str], list[int | float], list[str]]:
    constants = [constant for code in _codes(guard) for constant in _flat(code.co_consts)]
    texts = [constant for constant in constants if isinstance(constant, str)]
    numbers = [constant for constant in constants if isinstance(constant, int | float) and not isinstance(constant, bool)]
    return texts, [], numbers, []


def _codes(guard: CallableGuard) -> Iterator[CodeType]:
    code = getattr(guard.predicate, "__code__", None)
    waiting = [code] if isinstance(code, CodeType) else []
    while waiting:
        code = waiting.pop()
        yield code
        waiting.extend(constant for constant in code.co_consts if isinstance(constant, CodeType))


def _names(guard: CallableGuard) -> set[str]:
    """The attribute names that the guard's code mentions."""
    return {name for code in _codes(guard) for name in code.co_names}


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple | frozenset):
            yield from _flat(value)  # type: ignore[arg-type]  # constants of unknown type
        else:
            yield value
