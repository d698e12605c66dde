"""Every error that convgraph raises, and who has to act on it.

::

    ConvgraphError
    ├── DefinitionError      the graph is wrong: fix the definition (raised before anything runs)
    │   ├── GuardError       a guard's text does not compile, reads an unknown name, or failed when evaluated
    │   └── CheckFailed      `check()` found errors; `.findings` has them
    ├── InputError           a call was given something it cannot use; nothing was written
    │   ├── AnswerError      an answer is unknown, a duplicate, stale or ill-typed
    │   ├── RunNotFound      no such run in this store
    │   └── RunExists        a run with this id is already there
    ├── RunError             a run cannot go on as asked
    │   ├── RunBusy          another process (or task) is running it; try later, or stop that one
    │   ├── GraphChanged     the graph differs from the one the run was made with; `.changes` says how
    │   ├── ReplayDivergence the code does not do what the record says; `.diff` shows the first difference
    │   ├── NodeFailed       a node raised; `.cause` has its error
    │   ├── EffectFailed     an effect (tool, code, model call) raised; `.error_type` and `.message` say what
    │   ├── NotEncodable     a value cannot be journaled; `.path` says where in the value
    │   └── SelectionFailed  a selector gave no usable answer and there is no fallback
    ├── StoreError           the store cannot be used as asked
    │   ├── StoreUnavailable disk full, read-only, locked for too long, unreachable
    │   ├── StoreCorrupt     a row cannot be read; `.run_id` and `.seq` name it
    │   ├── StoreFormat      not a convgraph store, or made by a newer version
    │   ├── WrongKeys        the store is encrypted and the keys given do not open it, or it is not and keys were given
    │   └── Fenced           another owner has taken the run over: stop, and touch nothing
    ├── ModelError           a model endpoint failed
    │   ├── ModelConfigError the model's configuration is wrong: fix it, a retry will not help
    │   ├── ResponseForgotten the endpoint does not know the response to go on from: tell it the whole conversation
    │   ├── ModelUnavailable transport, rate limit or server error that outlived its retries
    │   └── ModelOutputError the endpoint answered with something that is not an answer
    ├── DrawingError         a picture cannot be made (most often: the `dot` program is missing)
    ├── ExecutorUnavailable  code cannot be run in the way that was chosen: nothing ran; start the engine, or choose another
    ├── MissingDependency    an optional package is not installed; the message says which extra
    └── InternalError        our bug: please report it
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class ConvgraphError(Exception):
    """Base of every error raised on purpose by convgraph."""


class DefinitionError(ConvgraphError, ValueError):
    """The graph's definition is wrong. Nothing has run; fix the definition."""


class GuardError(DefinitionError):
    """A guard cannot be compiled, reads a name that does not exist, or failed when evaluated."""


class CheckFailed(DefinitionError):
    """`check()` found errors, so the graph may not run. `findings` holds all of them."""

    def __init__(self, message: str, findings: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)


class InputError(ConvgraphError, ValueError):
    """A call was given something it cannot use. Nothing was written."""


class AnswerError(InputError):
    """An answer to a question is unknown, a duplicate, stale or ill-typed. Nothing was written."""


class RunNotFound(InputError, LookupError):
    """The store holds no run with this id."""


class RunExists(InputError):
    """The store already holds a run with this id."""


class RunError(ConvgraphError):
    """A run cannot go on as asked."""


class RunBusy(RunError):
    """Another process or task owns the run. Nothing was done; try again when it has stopped."""

    def __init__(self, message: str, run_id: str = "", owner: str = "") -> None:
        super().__init__(message)
        self.run_id = run_id
        self.owner = owner


class GraphChanged(RunError):
    """The graph is not the one the run was made with. `changes` lists the differences."""

    def __init__(self, message: str, changes: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.changes = tuple(changes)


class ReplayDivergence(RunError):
    """Re-executing the run does not give what was recorded.

    `step` is the turn at which the first difference shows (0: before the first turn), `where` names the
    place, `expected` is what the record says, `actual` what the code did, and `diff` shows the two.
    """

    def __init__(self, message: str, *, step: int = 0, where: str = "", expected: Any = None, actual: Any = None, diff: str = "") -> None:
        super().__init__(f"{message}\n{diff}" if diff else message)
        self.step = step
        self.where = where
        self.expected = expected
        self.actual = actual
        self.diff = diff


class NodeFailed(RunError):
    """A node raised an error and no error edge caught it."""


class EffectFailed(RunError):
    """An effect raised. The same error is raised again, from the record, on resume and replay.

    `error_type` is the name of the original exception's class, `message` its text; the original is the
    `__cause__` where the call was made in this process.
    """

    def __init__(self, name: str, error_type: str, message: str) -> None:
        super().__init__(f"{name!r} failed with {error_type}: {message}")
        self.name = name
        self.error_type = error_type
        self.message = message


class NotEncodable(RunError, TypeError):
    """A value cannot be written to the journal. `path` says where in the value the trouble is."""

    def __init__(self, message: str, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class SelectionFailed(RunError):
    """A selector gave no usable answer within its attempts and the graph declares no fallback."""


class StoreError(ConvgraphError):
    """The store cannot be used as asked. What was committed before is intact."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or written: disk full, read-only, locked for too long."""


class StoreCorrupt(StoreError):
    """A stored row cannot be read. `run_id` and `seq` name it."""

    def __init__(self, message: str, run_id: str = "", seq: int = -1) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.seq = seq


class StoreFormat(StoreError):
    """The file is not a convgraph store, or a newer convgraph wrote it."""


class WrongKeys(StoreError):
    """The keys do not fit the store: none or others where it is encrypted, some where it is not. Nothing was written."""


class Fenced(StoreError):
    """Another owner has claimed the run. This one must stop and touch nothing."""


class ModelError(ConvgraphError):
    """A model endpoint failed. `reply` is what it said all the same, where it did: that has been paid for."""

    reply: Any = None


class ModelConfigError(ModelError, ValueError):
    """The model's configuration is wrong. A retry will not help."""


class ResponseForgotten(ModelError):
    """The endpoint does not know (any more) the response that a request goes on from. Tell it the whole conversation."""


class ModelUnavailable(ModelError):
    """Transport, rate limit or server trouble that outlived its retries."""


class ModelOutputError(ModelError):
    """The endpoint answered with something that is not an answer.

    `reply` is what it said, where that can be read (an answer that does not fit its schema, for one): its text
    can be shown to the model again, and its usage has been paid for.
    """

    def __init__(self, message: str, reply: Any = None) -> None:
        super().__init__(message)
        self.reply = reply


class DrawingError(ConvgraphError):
    """A picture cannot be made. The message names the way out."""


class ExecutorUnavailable(ConvgraphError):
    """Code cannot be run in the way that was chosen. Nothing ran; the message says what to install, start or choose."""


class ToolFailed(ConvgraphError):
    """A tool from elsewhere says that it has failed. The model is told."""


class ToolUnavailable(ConvgraphError):
    """What carries out a tool cannot be reached, or was lost during a call. The message says what was tried, and why it failed."""


class MissingDependency(ConvgraphError, ImportError):
    """An optional package is not installed. The message says which extra brings it."""


class InternalError(ConvgraphError):
    """A bug in convgraph. Please report it, with the message."""
