"""The engine for many hosts: DBOS Transact, on the PostgreSQL that holds the journal, as a durable queue of wake-ups.

One workflow of DBOS is one wake-up: `advance(run_id)`, from the run's last event until it stops. It has no steps, and DBOS replays
nothing: what happens in a run only the journal knows. A wake-up is a hint. Claims keep workers apart, whatever is queued; so queues
are not partitioned by run, since DBOS takes partitions in an order of chance, and priorities would count for nothing.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from convgraph.engines import wakes
from convgraph.engines.engine import Advance
from convgraph.errors import InputError, MissingDependency, StoreUnavailable
from convgraph.journal.postgres_url import postgres_place
from convgraph.journal.runs import DEFAULT_QUEUE, LEASE_SECONDS

if TYPE_CHECKING:
    from dbos import DBOSConfig
    from psycopg import Connection, Cursor
    from sqlalchemy import Engine

T = TypeVar("T")
log = logging.getLogger("convgraph.worker")

POLL_SECONDS = 0.2
ANY_NUMBER: Mapping[str, int | None] = {DEFAULT_QUEUE: None}
_ROUNDS = 6
"""How often in a lease each worker would look after the others, if nobody else did."""
_ENDING_SECONDS = 86_400
"""For how long DBOS may wait for wake-ups under way to be over. It is the worker that does not wait for so long."""
_KEPT_SECONDS = 600
"""For how long a wake-up that is over is kept."""
_AT_ONCE = 1000
"""How many of those are deleted at a time."""


class DbosEngine:
    """Has DBOS bring runs of `graphs` that can go on, in the store at `url` (PostgreSQL). A process can have one.

    `queues`: the queues to take runs from, each with how many runs of a graph in it may be under way at a time on all workers
    together (None: any number). `lease`: after how many seconds a worker that gives no sign of life is given up, and what it had
    is woken elsewhere. `poll`: how often it looks into its queues, in seconds. Raises `InputError` for another kind of store.
    """

    name = "dbos"

    def __init__(
        self,
        url: str,
        *,
        graphs: Collection[str],
        queues: Mapping[str, int | None] = ANY_NUMBER,
        lease: float = LEASE_SECONDS,
        poll: float = POLL_SECONDS,
    ) -> None:
        if not url.startswith(("postgresql://", "postgres://")):
            raise InputError(f"store {url}: the engine of DBOS needs a store in PostgreSQL, postgresql://…")
        if not poll > 0 or not lease > 0:
            raise InputError(f"poll={poll!r} and lease={lease!r} are numbers of seconds above zero")
        if not graphs or not queues:
            raise InputError("an engine of DBOS takes runs of certain graphs from certain queues: name at least one of each")
        for queue, limit in queues.items():
            if limit is not None and (isinstance(limit, bool) or limit < 1):
                raise InputError(f"queue {queue!r}: {limit!r} is not a number of runs, 1 or more")
        self.id = uuid.uuid4().hex
        self.queues = tuple(queues)
        self._limits = dict(queues)
        self._graphs = tuple(graphs)
        self._where = postgres_place(url)
        self._namespace = self._where.namespace or ""
        self._lease = lease
        self._poll = poll
        self._pool: Engine | None = None
        self._connection: Connection[Any] | None = None
        self._connecting = threading.Lock()
        self._stopped = asyncio.Event()
        self._having: set[str] = set()
        self._missing: set[str] = set()

    async def serve(self, advance: Advance, *, concurrency: int) -> None:
        """See `Engine.serve`. Raises `MissingDependency` without DBOS, `StoreUnavailable` where it cannot be started."""
        loop, slots = asyncio.get_running_loop(), asyncio.Semaphore(concurrency)
        failed: asyncio.Future[None] = loop.create_future()
        taken: set[asyncio.Task[None]] = set()

        async def take(run_id: str) -> None:
            async with slots:
                if self._stopped.is_set():
                    await self._put_back(run_id)
                else:
                    await advance(run_id)

        def failing(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None and not failed.done():
                failed.set_exception(error)

        def begin(run_id: str, over: Future[None]) -> None:
            task = loop.create_task(take(run_id), name=f"convgraph-advance-{run_id}")
            taken.add(task)
            task.add_done_callback(taken.discard)
            task.add_done_callback(failing)
            task.add_done_callback(lambda _: over.set_result(None))  # well, whatever became of the run: that is for the journal to say

        async def on_wake_up(run_id: str) -> None:
            from dbos import DBOS

            wake_up, over = DBOS.workflow_id or "", Future[None]()
            over.set_running_or_notify_cancel()  # it cannot be cancelled: what was begun goes on
            self._having.add(wake_up)
            try:
                loop.call_soon_threadsafe(begin, run_id, over)
                await asyncio.wrap_future(over)
            finally:
                self._having.discard(wake_up)

        await asyncio.to_thread(self._launch, on_wake_up, concurrency)
        stopped = asyncio.create_task(self._stopped.wait())
        caring = asyncio.create_task(self._care(), name="convgraph-care")
        caring.add_done_callback(failing)
        try:
            await asyncio.wait([stopped, failed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            caring.cancel()
            asked_to = self._stopped.is_set()
            self._stopped.set()
            if not asked_to:
                stopped.cancel()
                for task in taken:
                    task.cancel()
            await asyncio.to_thread(self._shut_down, _ENDING_SECONDS if asked_to else 0)
        if failed.done():
            failed.result()

    async def wake(self, run_id: str) -> None:
        """See `Engine.wake`. Raises `StoreUnavailable`; whoever looks after the runs finds those that nobody has woken."""
        await asyncio.to_thread(self._with_cursor, lambda cursor: wakes.wake_now(cursor, self._namespace, run_id))

    async def stop(self) -> None:
        """See `Engine.stop`."""
        self._stopped.set()

    async def _put_back(self, run_id: str) -> None:
        """Let others have a run that was taken from the queue just before the end."""
        try:
            await self.wake(run_id)
        except StoreUnavailable as error:  # whoever looks after the runs finds it
            log.info("run %s: %s", run_id, error)

    def _launch(self, on_wake_up: Callable[[str], Awaitable[None]], concurrency: int) -> None:
        """Start DBOS, and have it call `on_wake_up` for what is in the queues."""
        try:
            from dbos import DBOS, DBOSPortableJSONSerializer
            from dbos import error as dbos_errors
            from sqlalchemy import create_engine
            from sqlalchemy.exc import SQLAlchemyError
        except ImportError:
            raise MissingDependency("the engine of DBOS needs dbos: pip install 'convgraph[dbos]'") from None
        from convgraph.journal.postgres_writes import connected

        logging.getLogger("dbos").addHandler(logging.NullHandler())  # without one it would write to the terminal
        self._pool = create_engine(
            "postgresql+psycopg://", creator=lambda: connected(self._where.dsn, autocommit=False), pool_size=4, max_overflow=8
        )
        config: DBOSConfig = {
            "name": wakes.APPLICATION,
            "application_version": wakes.VERSION,
            "executor_id": self.id,
            "dbos_system_schema": wakes.SCHEMA,
            "system_database_engine": self._pool,
            "serializer": DBOSPortableJSONSerializer(),
            "use_listen_notify": False,
            "log_level": "WARNING",
            "enable_otlp": False,
        }
        DBOS(config=config)
        if DBOS.executor_id != self.id:
            raise InputError("this process has a DBOS of its own already; give the worker a process of its own")
        DBOS.workflow(name=wakes.WORKFLOW, max_recovery_attempts=10)(on_wake_up)
        limits = {wakes.queue_name(self._namespace, graph, queue): self._limits[queue] for graph in self._graphs for queue in self.queues}
        DBOS.listen_queues(list(limits))
        try:
            DBOS.launch()
            self._with_connection(wakes.install)
            for queue, limit in limits.items():
                DBOS.register_queue(
                    queue,
                    worker_concurrency=concurrency if limit is None else min(concurrency, limit),
                    global_concurrency=limit,
                    polling_interval_sec=self._poll,
                    on_conflict="always_update",
                )
        except (SQLAlchemyError, dbos_errors.DBOSException) as error:
            self._shut_down(0)
            raise StoreUnavailable(f"{self._where.shown}: DBOS cannot be started: {error}") from error

    def _shut_down(self, patience: int) -> None:
        """End DBOS, when the wake-ups that this process has are over, or after so many seconds: others are to have them then."""
        from dbos import DBOS

        if DBOS.executor_id == self.id:
            DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=patience)
        if self._pool is not None:
            self._pool.dispose()
        with self._connecting:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    async def _care(self) -> None:
        """Look after workers that have died, and after runs that nobody has woken: for liveness alone, no safety depends on it."""
        failing = False
        while True:
            try:
                await asyncio.to_thread(self._round)
                failing = False
            except StoreUnavailable as error:  # what is not looked after now is in a later round
                log.log(logging.DEBUG if failing else logging.WARNING, "nobody is looked after at the moment: %s", error)
                failing = True
            await asyncio.sleep(self._lease / _ROUNDS)

    def _round(self) -> None:
        from dbos import error as dbos_errors
        from sqlalchemy.exc import SQLAlchemyError

        try:
            if self._with_cursor(self._looked_after):
                _purge()
        except (SQLAlchemyError, dbos_errors.DBOSException) as error:
            raise StoreUnavailable(f"{self._where.shown}: DBOS cannot look after its wake-ups: {error}") from error

    def _looked_after(self, cursor: Cursor[Any]) -> bool:
        """Have others take what workers had that are silent, and wake what nobody has woken. False where somebody else is at it."""
        cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", (f"{self._lease:g}s",))
        if not wakes.begin_round(cursor, f"{self._namespace} {self._graphs} {self.queues}", self._lease / _ROUNDS):
            return False
        self._resume_lost(cursor)
        woken = wakes.sweep(cursor, self._namespace, self._graphs, self.queues)
        if woken:
            log.info("%s: %d runs woken that nobody had woken", self._where.shown, woken)
        return True

    def _resume_lost(self, cursor: Cursor[Any]) -> None:
        """Put wake-ups back that workers have taken who are silent, and those of our own that ended when nobody could write it down."""
        from dbos import DBOS

        pending = DBOS.list_workflows(name=wakes.WORKFLOW, status="PENDING", load_input=False, load_output=False)
        alive = wakes.living(cursor)  # asked after: a worker is alive before it takes anything
        missing = {taken.workflow_id for taken in pending if taken.executor_id == self.id} - self._having
        over = missing & self._missing  # not one that is beginning or ending at this moment
        self._missing = missing
        lost = [(taken.queue_name, taken.workflow_id) for taken in pending if taken.executor_id not in alive or taken.workflow_id in over]
        for queue in {queue for queue, _ in lost}:
            names = [name for of, name in lost if of == queue]
            log.warning("%d wake-ups that nobody has go back to the queue %s", len(names), queue)
            DBOS.resume_workflows(names, queue_name=queue)

    def _with_cursor(self, work: Callable[[Cursor[Any]], T]) -> T:
        """Do `work` in a transaction. Raises `StoreUnavailable`."""

        def do(connection: Connection[Any]) -> T:
            with connection.transaction(), connection.cursor() as cursor:
                return work(cursor)

        return self._with_connection(do)

    def _with_connection(self, work: Callable[[Connection[Any]], T]) -> T:
        """Do `work` over the engine's own connection, which is made if there is none. Raises `StoreUnavailable`."""
        import psycopg

        from convgraph.journal.postgres_writes import connected

        with self._connecting:
            try:
                if self._connection is None:
                    self._connection = connected(self._where.dsn)
                return work(self._connection)
            except psycopg.Error as error:
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise StoreUnavailable(f"{self._where.shown}: {reason}") from error


def _purge() -> None:
    """Delete wake-ups that have been over for a while."""
    from dbos import DBOS

    before = datetime.datetime.fromtimestamp(time.time() - _KEPT_SECONDS, datetime.UTC).isoformat()
    over = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
    old = DBOS.list_workflows(
        name=wakes.WORKFLOW, status=over, completed_before=before, limit=_AT_ONCE, load_input=False, load_output=False
    )
    if old:
        DBOS.delete_workflows([wake_up.workflow_id for wake_up in old])
