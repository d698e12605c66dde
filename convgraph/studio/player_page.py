"""A run as one HTML file that plays it: without a server, without a network, from disk."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from convgraph.errors import InternalError
from convgraph.journal.store import Store
from convgraph.studio.catalog import Catalog
from convgraph.studio.live import Live
from convgraph.studio.pictures import picture_out
from convgraph.studio.steps import step_out
from convgraph.studio.timelines import Looked, Timelines

_HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
_UNUSED = {"visits", "limits", "usage", "state", "seq", "path", "more", "inner", "effects", "attempts"}
"""What of a step the player does not show."""


async def player_page(store: Store, run_id: str, catalog: Catalog | None = None) -> str:
    """The page. `catalog` may know the run's graph; it is drawn as it was recorded otherwise. Raises `RunNotFound`."""
    catalog = catalog or Catalog()
    looked = await Timelines(store, catalog, Live(store)).of(run_id)
    return await asyncio.to_thread(_page, looked)


def _page(looked: Looked) -> str:
    style = (_HERE / "static/style.css").read_text() + (_HERE / "player/player.css").read_text()
    script = bundled(_HERE / "player/player.js")
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data:; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types convgraph"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>A run of convgraph</title>\n<style>{style}</style>\n</head>\n<body>\n"
        "<noscript>This page plays a recorded run, and needs JavaScript for it.</noscript>\n"
        f'<script type="application/json" id="run">{_json(_data(looked))}</script>\n<script>{script}</script>\n</body>\n</html>\n'
    )


def _data(looked: Looked) -> dict[str, Any]:
    """What the player shows: the run, its picture, and every step, each with the fields of the state that it has changed."""
    info, timeline = looked.info, looked.timeline
    drawn = picture_out(timeline.definition).model_dump(exclude={"mermaid"}) if timeline.definition.nodes else {"svg": "", "problem": ""}
    run = {"run_id": info.run_id, "graph": info.graph, "status": info.status, "reason": info.reason}
    return {"run": run, "picture": drawn, "steps": list(_steps(looked))}


def _steps(looked: Looked) -> Iterator[dict[str, Any]]:
    before: dict[str, Any] = {}
    for number in range(looked.timeline.total + 1):
        step = step_out(looked.timeline, number)
        told = step.model_dump(exclude=_UNUSED, exclude_defaults=True, by_alias=True)
        told["done"] = [done.model_dump(include={"kind", "name", "request", "result", "error", "finished"}) for done in step.done]
        state = _fields(step.state, before if step.problem else {})
        changed = {name: value for name, value in state.items() if name not in before or before[name] != value}
        gone = [name for name in before if name not in state]
        yield {**told, **({"set": changed} if changed else {}), **({"gone": gone} if gone else {})}
        before = state


def _fields(state: object, otherwise: dict[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", state) if isinstance(state, dict) else otherwise


def bundled(entry: Path) -> str:
    """A module of the page with all that it imports, as one script: each module is a function that gives what it exports.

    Raises `InternalError` for an import that is written in another way than the page's modules are.
    """
    order: list[Path] = []
    _in_order(entry.resolve(), order)
    return "'use strict';\n" + "\n".join(_as_function(path, order) for path in order)


def _in_order(path: Path, order: list[Path]) -> None:
    for _, source in _IMPORT.findall(path.read_text()):
        _in_order((path.parent / source).resolve(), order)
    if path not in order:
        order.append(path)


def _as_function(path: Path, order: list[Path]) -> str:
    text = path.read_text()
    exported = [name for _, name in _EXPORT.findall(text)]
    text = _IMPORT.sub(lambda found: f"const {{{found[1]}}} = module{order.index((path.parent / found[2]).resolve())};\n", text)
    text = _EXPORT.sub(r"\1", text)
    if re.search(r"^(?:import|export)\b", text, re.MULTILINE) or "</script" in text or "<!--" in text:
        raise InternalError(f"{path.name} cannot be made part of one script")
    return f"const module{order.index(path)} = (() => {{\n{text}\nreturn {{ {', '.join(exported)} }};\n}})();"


def _json(data: Any) -> str:
    """JSON that can stand between script tags: whatever is said in a run cannot end them."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _digest(text: str) -> str:
    """What a policy calls a script or style of exactly this text."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
