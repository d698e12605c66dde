# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (PyYAML's stubs leave its nodes untyped.)
"""A stored run as a case: its input, its models', people's and tools' answers as a script, and what it came to as expectations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from convgraph.errors import InputError
from convgraph.evaluation.reading import from_text, read_cases
from convgraph.evaluation.regression import check_secrets, relative_target
from convgraph.evaluation.script_lines import line_document
from convgraph.evaluation.stand_ins import SELECTOR, SPEAKER_OF_SELECTIONS
from convgraph.graph.coverage import graphs_within
from convgraph.graph.definition import Definition
from convgraph.journal.events import Edited, EffectFinished, Event, Resumed, RunStarted
from convgraph.messages import NO_USAGE, Message
from convgraph.runtime.fold import limits_document
from convgraph.runtime.result import RunResult
from convgraph.testing.records import Record

_DONE_OUTSIDE = ("tool", "code")
"""The kinds of effects that a case has results for, so that they are not done: nor is what they would do themselves."""


def case_of(record: Record, result: RunResult, definition: Definition, name: str) -> dict[str, Any]:
    """The run as a case called `name`, in the form that a file of cases has. `result` is what its replay gave.

    Raises `InputError` for what a case cannot say: further inputs, edits by a fork, results that are not in the record.
    """
    started, events = cast(RunStarted, record.events[0]), record.events[1:]
    _check_says_all(record.run_id, events)
    done = [event for event in events if isinstance(event, EffectFinished) and not _inside_another(event.path)]
    case: dict[str, Any] = {"name": name}
    if started.messages:
        case["input"] = _input(started.messages)
    if started.state:
        case["state"] = started.state
    limits = _limits(started, events)
    if limits != limits_document(definition.limits):
        case["limits"] = limits
    case["script"] = _script(done, record.contents, counted=_counts(definition, limits))
    case |= {key: value for key, value in (("answers", _answers(done)), ("tools", _tools(record.run_id, done))) if value}
    expect: dict[str, Any] = {"status": result.status, "path": record.path}
    if result.last is not None and result.last.text:
        expect["equals"] = result.last.text
    case["expect"] = expect
    return case


def append_case(path: Path, case: Mapping[str, Any], target: str) -> None:
    """Write the case at the end of a file of cases (YAML or JSON), made if there is none, whose comments stay as they are.

    Raises `InputError` before anything is written: for another case of that name, for a file that cannot be read or added to.
    """
    kind = path.suffix.lower()
    if kind not in (".yaml", ".yml", ".json"):
        raise InputError(f"{str(path)!r}: a case with a script is added to a .yaml or .json file")
    if not path.parent.is_dir():
        raise InputError(f"{str(path)!r}: there is no folder {str(path.parent)!r}")
    if not path.exists():
        known, text = 0, _dumped({"graph": relative_target(target, path.parent)[0], "cases": [case]}, kind)
    else:
        known = len(read_cases(path).cases)
        before = path.read_text(encoding="utf-8-sig")
        text = _added_to_json(before, case) if kind == ".json" else _added_to_yaml(before, case, path)
    if len(from_text(text, path).cases) != known + 1:
        raise InputError(f"{str(path)!r}: the case cannot be added to what stands there; let 'cases' be the last thing in the file")
    check_secrets(text, str(case["name"]))
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written: {error}") from error


def _check_says_all(run_id: str, events: tuple[Event, ...]) -> None:
    for event in events:
        if not isinstance(event, Edited):
            continue
        if event.why == "continued":
            raise InputError(
                f"run {run_id!r} was continued with a further message, and a case has one input; keep it as a test: --out test_….py"
            )
        if event.why == "migrated" or event.last is not None or event.update is not None:
            raise InputError(
                f"run {run_id!r} was {event.why} with changes from outside, which a case cannot say; keep it as a test: --out test_….py"
            )


def _input(messages: tuple[Message, ...]) -> Any:
    first = messages[0]
    if messages == (Message("user", first.content, "user"),) and isinstance(first.content, str):
        return first.content
    return [_message(message) for message in messages]


def _message(message: Message) -> dict[str, Any]:
    from convgraph.journal.codec import encode_event

    # The journal's own form of a message is the one that can be read back.
    return json.loads(encode_event(RunStarted("", "", "", (message,))))["messages"][0]


def _limits(started: RunStarted, events: tuple[Event, ...]) -> dict[str, Any]:
    """The limits that were in force last."""
    later = [event.limits for event in events if isinstance(event, Resumed) and event.limits is not None]
    return later[-1] if later else started.limits


def _counts(definition: Definition, limits: Mapping[str, Any]) -> bool:
    """Whether what the calls cost can make a difference to where the conversation goes."""
    graphs = [graph for _, graph in graphs_within(definition)]
    limited = any(limits_document(graph.limits).keys() & {"tokens", "usd"} for graph in graphs) or bool(limits.keys() & {"tokens", "usd"})
    return limited or any("usage" in edge.guard.reads for graph in graphs for edge in graph.edges if edge.guard is not None)


def _inside_another(path: str) -> bool:
    """Whether a path lies in what a tool, or code, has done itself."""
    return any(f"/@{kind}:" in path for kind in _DONE_OUTSIDE)


def _script(done: Sequence[EffectFinished], contents: Mapping[str, str], *, counted: bool) -> dict[str, list[Any]]:
    """The models' answers by who asked; with what they cost, where that counts."""
    script: dict[str, list[Any]] = {}
    for event in done:
        if event.effect != "model":
            continue
        setup: dict[str, Any] = json.loads(contents.get(event.digest.partition(".")[0], "{}"))
        speaker = str(setup.get("speaker", ""))
        lines = script.setdefault(SELECTOR if speaker == SPEAKER_OF_SELECTIONS else speaker, [])
        if event.error is not None:
            lines.append({"error": {"type": event.error.type, "message": event.error.message}})
        else:
            lines.append(line_document(event.result, event.usage if counted else NO_USAGE))
    return script


def _answers(done: Sequence[EffectFinished]) -> dict[str, list[Any]]:
    answers: dict[str, list[Any]] = {}
    for event in done:
        if event.effect == "human" and event.question is not None:
            answers.setdefault(event.name, []).append(event.result)
    return answers


def _tools(run_id: str, done: Sequence[EffectFinished]) -> dict[str, list[Any]]:
    """What tools and other effects gave, and people who were asked by an agent's own `get_human_input`."""
    results: dict[str, list[Any]] = {}
    for event in done:
        if event.effect not in _DONE_OUTSIDE and (event.effect != "human" or event.question is not None):
            continue
        if event.error is not None and event.error.type == "NotEncodable":
            raise InputError(
                f"run {run_id!r}: what {event.name!r} gave in turn {event.path} was not recorded, since it cannot be; "
                "a case has no result for it"
            )
        failed = event.error is not None and {"raises": {"type": event.error.type, "message": event.error.message}}
        results.setdefault(event.name, []).append(failed or event.result)
    return results


def _dumped(document: Mapping[str, Any], kind: str) -> str:
    from convgraph.graph.documents import dumps_yaml

    return json.dumps(document, indent=2, ensure_ascii=False) + "\n" if kind == ".json" else dumps_yaml(document)


def _added_to_json(text: str, case: Mapping[str, Any]) -> str:
    document: dict[str, Any] = json.loads(text)
    return _dumped({**document, "cases": [*document["cases"], case]}, ".json")


def _added_to_yaml(text: str, case: Mapping[str, Any], path: Path) -> str:
    """The text with the case below the last one, indented as that is."""
    import yaml

    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    cases = next(value for key, value in root.value if key.value == "cases")
    if cases.flow_style:
        raise InputError(f"{path}:{cases.start_mark.line + 1}: the cases stand in brackets; write one below the other, each after '- '")
    indent = " " * cases.start_mark.column
    lines = text.splitlines(keepends=True)
    place = _line_after(cases.value[-1])
    item = _dumped({"cases": [case]}, ".yaml").partition("\n")[2]
    added = "".join(f"{indent}{line}" if line.strip() else line for line in item.splitlines(keepends=True))
    before = "".join(lines[:place])
    return f"{before}{'' if before.endswith(chr(10)) else chr(10)}{added}{''.join(lines[place:])}"


def _line_after(node: Any) -> int:
    """The number of lines up to the end of what stands there: a block ends where the next thing begins, its last text does not."""
    import yaml

    while isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    end = node.end_mark
    return end.line if end.column == 0 and end.line > node.start_mark.line else end.line + 1
