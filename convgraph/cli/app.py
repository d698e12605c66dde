"""The commands under their names, and what becomes of an error: one clear message and an exit code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from convgraph.cli import (
    eval_commands,
    fact_commands,
    graph_commands,
    journal_commands,
    key_commands,
    record_commands,
    run_commands,
    studio_command,
    worker_commands,
)
from convgraph.cli.exit_codes import MEANINGS, ExitCode, code_of_error
from convgraph.cli.output import complain, write
from convgraph.errors import ConvgraphError

COMMANDS: Sequence[tuple[str, Callable[..., int]]] = (
    ("run", run_commands.run),
    ("resume", run_commands.resume),
    ("answer", run_commands.answer),
    ("submit", worker_commands.submit),
    ("worker", worker_commands.worker),
    ("workers", worker_commands.workers),
    ("continue", run_commands.go_on),
    ("replay", run_commands.replay),
    ("fork", run_commands.fork),
    ("runs", journal_commands.runs),
    ("show", journal_commands.show),
    ("explain", journal_commands.explain),
    ("label", journal_commands.label),
    ("delete", journal_commands.delete),
    ("prune", journal_commands.prune),
    ("facts", fact_commands.facts),
    ("new-key", key_commands.new_key),
    ("encrypt", key_commands.encrypt),
    ("rekey", key_commands.rekey),
    ("studio", studio_command.studio),
    ("check", graph_commands.check),
    ("draw", graph_commands.draw),
    ("diff", graph_commands.diff),
    ("paths", graph_commands.paths),
    ("simulate", graph_commands.simulate),
    ("coverage", graph_commands.coverage),
    ("export", graph_commands.export),
    ("import", record_commands.import_records),
    ("eval", eval_commands.evaluate),
    ("testcase", eval_commands.keep_as_test),
)
DEBUG = "CONVGRAPH_DEBUG"


def perform(arguments: Sequence[str] | None) -> int:
    """Do what the command line asks for. Returns the exit code; nothing but that and words comes out."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    words = _take_debug(given)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # what a terminal cannot show must not end a run
    code = _guarded(words)
    if arguments is None:
        _leave_if_held(code)
    return code


def app() -> typer.Typer:
    """The command line, for typer."""
    made = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    made.callback(help=_help())(_options)
    for name, command in COMMANDS:
        made.command(name)(command)
    return made


def _say_version(wanted: bool) -> None:
    if wanted:
        from convgraph import __version__

        write(sys.stdout, f"convgraph {__version__}")
        raise typer.Exit


def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks. May stand anywhere.")] = False,  # taken before
    version: Annotated[  # its callback does it
        bool, typer.Option("--version", help="Say which version this is.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    """What may stand before the command."""


def _guarded(words: list[str]) -> int:
    as_json = "--json" in words
    try:
        return int(typer.main.get_command(app()).main(words, prog_name="convgraph", standalone_mode=False) or 0)
    except typer.TyperException as error:
        show: Any = getattr(error, "show", None)
        show() if show is not None else complain(f"Error: {error.format_message()}")
        return _failed(error.format_message(), "UsageError", ExitCode.BAD_INPUT, as_json)
    except (KeyboardInterrupt, typer.Abort):
        complain("stopped")
        return _failed("stopped", "KeyboardInterrupt", ExitCode.CANCELLED, as_json)
    except ConvgraphError as error:
        _trace()
        complain(f"Error: {error}")
        run_id = getattr(error, "run_id", "")
        return _failed(str(error), type(error).__name__, code_of_error(error), as_json, **({"run_id": run_id} if run_id else {}))
    except Exception as error:  # noqa: BLE001  # a bug of ours or of a graph's code: it is shown, with --debug in full
        _trace()
        complain(f"Error: {type(error).__name__}: {error}\nThis should not have happened: please report it, with what --debug prints.")
        return _failed(str(error), type(error).__name__, ExitCode.ERROR, as_json)


def _failed(message: str, kind: str, code: ExitCode, as_json: bool, **more: str) -> int:
    if as_json:
        document = {**more, "status": "error", "error": kind, "message": message, "exit_code": int(code)}
        write(sys.stdout, json.dumps(document, ensure_ascii=False))
    return int(code)


def _trace() -> None:
    if os.environ.get(DEBUG):
        import traceback

        complain(traceback.format_exc().rstrip())


def _take_debug(given: list[str]) -> list[str]:
    """The words without `--debug`, wherever before a `--` it stands; it is kept in the environment, where all can see it."""
    end = given.index("--") if "--" in given else len(given)
    if "--debug" in given[:end]:
        os.environ[DEBUG] = "1"
    return [word for word in given[:end] if word != "--debug"] + given[end:]


def _leave_if_held(code: int) -> None:
    """Leave at once where a thread of a node would keep the process: the journal is written, and the thread can do nothing more."""
    if "convgraph.cli.interrupts" not in sys.modules:
        return
    from convgraph.cli.interrupts import has_stuck_threads, leave

    if has_stuck_threads():
        leave(code)


def _help() -> str:
    codes = "\n".join(f"{int(code):>3}  {meaning}" for code, meaning in MEANINGS.items())
    return (
        "Conversations between agents as graphs: run, resume, replay, draw and explain them.\n\n"
        "A TARGET names a graph: file.py:name, package.module:name (the current directory is in view), or graph.yaml.\n"
        "Without :name it is the only graph there; a callable there that returns a graph is called.\n\n"
        f"\b\nExit codes:\n{codes}"
    )
