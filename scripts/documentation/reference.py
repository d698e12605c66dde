"""The reference: a page for each part of the public interface, made from docstrings; each public name is on one of them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

import convgraph


@dataclass(frozen=True)
class Part:
    """A page of the reference: what is public from these packages and modules of convgraph, and some modules as a whole."""

    name: str
    title: str
    about: str
    places: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    """Modules whose docstring and public names (`__all__`) are shown."""
    names: tuple[str, ...] = ()
    """Further names, wherever they are."""


PARTS = (
    Part(
        "graphs",
        "Graphs",
        "Defining a conversation, and the verbs that run it, look at it and draw it.",
        ("conversation", "graph", "drawing"),
    ),
    Part(
        "runs",
        "Runs",
        "What a node is given, what a run gives back, what it asks, and where it is kept.",
        ("runtime", "journal"),
        (),
        ("convgraph.journal.store.Store", "convgraph.journal.runs.RunInfo"),
    ),
    Part("messages", "Messages", "What is said: texts, pictures, calls of tools, and what they cost.", ("messages", "content_parts")),
    Part(
        "agents",
        "Agents and chats",
        "Who speaks, in AutoGen's words. See [coming from AutoGen](../from-autogen.md).",
        ("agents", "chat"),
        (),
        ("convgraph.chat.retrieval.retrieval_graph",),
    ),
    Part(
        "models",
        "Models",
        "Clients of models and embedders, and what a client of your own has to do. See [models](../models.md).",
        ("models",),
        (),
        (
            "convgraph.models.openai_model.OpenAIModel",
            "convgraph.protocols.Model",
            "convgraph.protocols.ModelRequest",
            "convgraph.protocols.ModelReply",
            "convgraph.models.fallback.FallbackModel",
            "convgraph.models.cached.with_cache",
            "convgraph.models.client_model.register_model_client",
            "convgraph.models.config.model_from_config",
            "convgraph.models.costs.cost_document",
            "convgraph.models.costs.usage_by_model",
            "convgraph.models.costs.usage_summary",
        ),
    ),
    Part(
        "tools",
        "Tools",
        "Functions that a model may call. See [tools](../tools.md).",
        ("tools",),
        (),
        (
            "convgraph.tools.ToolSet",
            "convgraph.tools.Injected",
            "convgraph.tools.run_tool_calls",
            "convgraph.tools.web.JsonSearch",
            "convgraph.tools.web.SiteSearch",
            "convgraph.tools.web.Unreadable",
        ),
    ),
    Part("knowledge", "Knowledge", "Documents to search, and facts that outlive a run. See [knowledge](../knowledge.md).", ("knowledge",)),
    Part(
        "evaluation",
        "Evaluation",
        "A graph over a table of cases. See [evaluation](../evaluation.md).",
        ("evaluation",),
        ("convgraph.evaluation",),
    ),
    Part(
        "coding",
        "Code execution",
        "Executors for code that a model wrote. See [code execution](../code-execution.md).",
        (),
        ("convgraph.coding",),
    ),
    Part(
        "engines",
        "Workers",
        "Who goes on with a run. See [workers](../workers.md).",
        (),
        (),
        ("convgraph.engines.worker.Worker", "convgraph.engines.local.LocalEngine", "convgraph.engines.dbos.DbosEngine"),
    ),
    Part(
        "studio",
        "Studio",
        "The web page as a part of your own application. See [studio](../studio.md).",
        (),
        (),
        ("convgraph.studio.serving.served", "convgraph.studio.serving.Settings"),
    ),
    Part("telemetry", "Telemetry", "Spans and metrics. See [observability](../observability.md).", (), ("convgraph.telemetry",)),
    Part(
        "testing",
        "Testing",
        "A scripted endpoint, scripted conversations, recorded runs. See [testing](../testing.md).",
        (),
        ("convgraph.testing",),
        ("convgraph.testing.paths.follow", "convgraph.testing.records.replay_record", "convgraph.graph.paths.write_pytest"),
    ),
    Part("errors", "Errors", "Every error, and who has to act on it.", (), ("convgraph.errors",)),
)


def write_reference(pages: Path) -> None:
    """Write `reference/index.md` and the parts' pages into `pages`."""
    (pages / "reference").mkdir()
    for part in PARTS:
        (pages / "reference" / f"{part.name}.md").write_text(_page(part), encoding="utf-8")
    (pages / "reference" / "index.md").write_text(_index(), encoding="utf-8")


def names_of(part: Part) -> list[str]:
    """The dotted names that are shown on a part's page."""
    here = [f"convgraph.{name}" for name in convgraph.__all__ if _where(name).split(".")[1] in part.places]
    there = [f"{module}.{name}" for module in part.modules for name in public_names(module)]
    return [*here, *(name for name in there if name.rpartition(".")[2] not in convgraph.__all__ or not here), *part.names]


def public_names(module: str) -> list[str]:
    """The public names of a module: its `__all__`, else every class that it defines."""
    loaded = importlib.import_module(module)
    defined = [name for name, value in vars(loaded).items() if isinstance(value, type) and value.__module__ == module]
    return list(getattr(loaded, "__all__", None) or [name for name in defined if not name.startswith("_")])


def _where(name: str) -> str:
    return convgraph._WHERE[name]  # where a name is defined is said nowhere else


def _page(part: Part) -> str:
    about = [f"::: {module}\n    options:\n      members: false\n      show_root_heading: false" for module in part.modules]
    return "\n\n".join([f"# {part.title}", part.about, *about, *(_entry(name) for name in names_of(part))]) + "\n"


def _entry(name: str) -> str:
    """A name with what it has of its own; the graph also with its verbs, which are parts of it in files of their own."""
    return f"::: {name}" + ("\n    options:\n      inherited_members: true" if name == "convgraph.ConversationGraph" else "")


def _index() -> str:
    rows = [f"| [{part.title}]({part.name}.md) | {_linked(part)} |" for part in PARTS]
    return (
        "# Reference\n\nEvery public name, from its docstring. What is not here is not promised.\n\n| | |\n|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


def _linked(part: Part) -> str:
    return ", ".join(f"[`{name.rpartition('.')[2]}`][{name}]" for name in names_of(part))
