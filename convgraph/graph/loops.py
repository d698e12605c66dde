"""`map` and `filter` in guards, evaluated slice by slice.

The library copies the list that a loop has made so far for each element that it adds, so that a loop over a
thousand messages takes seconds. Such loops are taken out of the text when it is compiled: a variable stands in
their place, which is given its value when the rest of the text asks for it, from short slices that are then put
together. So a loop costs as much as it has elements, and one that `&&` or `?:` passes over costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from convgraph.errors import GuardError

SLICE = 8
_CALL = re.compile(r"\.\s*(map|filter)\s*\(")
_WORD_BEFORE = re.compile(r"(?!(?<!\w)in$)(?<!\w)\w+$")
_SIZE_AFTER = re.compile(r"\)\s*\.\s*size\s*\(")
_SIZE_BEFORE = re.compile(r"(?<![\w.])size\s*\(\s*$")
_CLOSED = re.compile(r"\)\s*\)")
_ITEMS = "__items"  # users' names cannot begin with '__'
_UNSIGNED = re.compile(r"(?<![\w.])(?:uint|type)\s*\(|(?<![\w.])(?:0[xX][\da-fA-F]+|\d+)[uU]\b")


@dataclass(frozen=True, slots=True)
class Loop:
    """A `map` or a `filter`: the variable that stands for it, what it runs over, and what is done with each slice of that.

    `counted`: only the size of its list is asked for.
    """

    name: str
    keeps: bool
    counted: bool
    over: str
    over_program: Any
    program: Any


def taken_out(cel: Any, text: str, code: str, where: str) -> tuple[str, tuple[Loop, ...]]:
    """The text with a variable in the place of each `map` and `filter`, and those loops, in the order in which they build on each other.

    `code` is the text with its literals and comments blanked out. It holds no such loop inside another. Raises
    `GuardError` for a loop whose result would lose its type on the way.
    """
    loops: list[Loop] = []
    while (call := _CALL.search(code)) is not None:
        kind, start, inside, end = call.group(1), _start(code, call.start()), call.end(), _end(code, call.end())
        if kind == "map" and _UNSIGNED.search(code[inside:end]):
            raise GuardError(f"{where}: guard {text!r:.200}, column {inside + 1}: map cannot give unsigned numbers or types; use int")
        over, body = text[start : call.start()], text[inside:end]
        variable, comma, condition = body.partition(",")
        name = f"__loop{len(loops)}"
        step = f"{_ITEMS}.map({variable}{comma}({condition}\n))" if kind == "filter" else f"{_ITEMS}.map({body}\n)"
        counted = _SIZE_AFTER.match(code, end) is not None or (
            _SIZE_BEFORE.search(code[:start]) is not None and _CLOSED.match(code, end) is not None
        )
        loops.append(Loop(name, kind == "filter", counted, over.strip(), cel.compile(over), cel.compile(step)))
        text, code = (f"{whole[:start]}{name}{whole[end + 1 :]}" for whole in (text, code))
    return text, tuple(loops)


def evaluated(cel: Any, program: Any, loops: tuple[Loop, ...], values: Mapping[str, Any]) -> Any:
    """The value of a program that asks for `loops`. Raises whatever fits the fault, as the library does."""
    evaluation = _Evaluation(cel, {loop.name: loop for loop in loops}, values)
    try:
        return program.execute(evaluation.context(program))
    except Exception as error:
        raise evaluation.fault or error from error


class _Evaluation:
    """One evaluation of a guard: the loops that were asked for have their lists in `lists`."""

    def __init__(self, cel: Any, loops: Mapping[str, Loop], values: Mapping[str, Any]) -> None:
        self.cel = cel
        self.loops = loops
        self.values = values
        self.lists: dict[str, list[Any]] = {}
        self.fault: Exception | None = None

    def context(self, program: Any) -> Any:
        """What a program sees: the values that it names, and the loops' lists when it asks for them."""
        names = program.variables()
        context = self.cel.Context({name: self.values[name] for name in names if name in self.values})
        if any(name in self.loops for name in names):
            context.set_variable_resolver(self._resolve)
        return context

    def _resolve(self, name: str) -> list[Any] | None:
        """The list that a loop makes; None, which the library takes for an unknown name, where it cannot be made."""
        if name not in self.loops:
            return None
        try:
            made = self._list(name)
            return [None] * len(made) if self.loops[name].counted else made  # no need to convert what is not looked at
        except Exception as error:  # noqa: BLE001 - the library would print what is raised here, and forget it
            self.fault = self.fault or error
            return None

    def _list(self, name: str) -> list[Any]:
        if name not in self.lists:
            self.lists[name] = list(self._made(self.loops[name]))
        return self.lists[name]

    def _made(self, loop: Loop) -> Iterator[Any]:
        items, context = self._items(loop), self.context(loop.program)
        for start in range(0, len(items), SLICE):
            part = items[start : start + SLICE]
            context.add_variable(_ITEMS, part)
            made = loop.program.execute(context)
            yield from _kept(part, made) if loop.keeps else made

    def _items(self, loop: Loop) -> list[Any]:
        """What the loop runs over: the elements of a list, or the keys of a map."""
        if loop.over in self.loops:
            return self._list(loop.over)
        found: Any = self.values[loop.over] if loop.over in self.values else loop.over_program.execute(self.context(loop.over_program))
        if isinstance(found, list | Mapping):
            return list(cast("list[Any]", found))
        raise TypeError(f"map and filter run over lists and maps, not over {found!r:.100}")


def _kept(items: list[Any], conditions: list[Any]) -> Iterator[Any]:
    for item, condition in zip(items, conditions, strict=True):
        if condition is not True and condition is not False:
            raise TypeError(f"the condition of filter gave {condition!r:.100}, not true or false")
        if condition:
            yield item


def _end(code: str, start: int) -> int:
    """Where the bracket that was opened just before `start` is closed."""
    depth, place = 1, start
    while depth:
        depth += (code[place] in "([{") - (code[place] in ")]}")
        place += 1
    return place - 1


def _start(code: str, dot: int) -> int:
    """Where the operand begins whose method is called after `dot`: names, calls and brackets, joined by dots."""
    place = dot
    while True:
        place = len(code[:place].rstrip())
        last = code[place - 1]
        if last in ")]}":
            place = _opening(code, place - 1)
            word = _WORD_BEFORE.search(code[:place].rstrip())
            if last == "]" and (word or code[:place].rstrip().endswith((")", "]", "}", '"'))):
                continue  # an index: what is indexed belongs to the operand
            if last == ")" and word:
                place = word.start()
        elif last == '"':
            place = code.rindex('"', 0, place - 1)
        else:
            word = _WORD_BEFORE.search(code[:place])
            place = word.start() if word else place
        before = code[:place].rstrip()
        if not before.endswith("."):
            return place
        place = len(before) - 1


def _opening(code: str, closing: int) -> int:
    """Where the bracket was opened that is closed at `closing`."""
    depth, place = 1, closing
    while depth:
        place -= 1
        depth += (code[place] in ")]}") - (code[place] in "([{")
    return place
