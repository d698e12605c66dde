"""The claims that a store's user holds, and the tasks that renew their leases as long as the loops run that took them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator

from convgraph.errors import StoreError
from convgraph.journal.runs import Claim

log = logging.getLogger("convgraph.store")


class HeldClaims:
    """Claims by the keys of their runs. `extend` renews the leases of all of them; it is called three times in each lease."""

    def __init__(self, place: str, lease: float, extend: Callable[[], Awaitable[None]]) -> None:
        self._place = place
        self._lease = lease
        self._extend = extend
        self._claims: dict[int, Claim] = {}
        self._renewals: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}

    def keep(self, claim: Claim) -> None:
        """Hold the claim, and renew its lease as long as the loop that took it runs."""
        self._claims[claim.key] = claim
        loop = asyncio.get_running_loop()
        renewal = self._renewals.get(loop)
        if renewal is None or renewal.done():
            self._renewals = {other: task for other, task in self._renewals.items() if not other.is_closed()}
            self._renewals[loop] = loop.create_task(self._renew(), name="convgraph-leases")

    def drop(self, claim: Claim) -> None:
        """Hold the claim no longer."""
        if self._claims.get(claim.key) is claim:  # a later claim of this very store may stand there
            del self._claims[claim.key]
        if not self._claims:
            for loop, task in list(self._renewals.items()):
                if loop is asyncio.get_running_loop():
                    task.cancel()
                    del self._renewals[loop]

    def holds(self, claim: Claim) -> bool:
        """Whether this very claim is held."""
        return self._claims.get(claim.key) is claim

    def __contains__(self, key: object) -> bool:
        return key in self._claims

    def __iter__(self) -> Iterator[Claim]:
        return iter(list(self._claims.values()))

    def __len__(self) -> int:
        return len(self._claims)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                await self._extend()
            except StoreError as error:  # whoever appends next is told; a lease that may be late is still worth having
                log.debug("%s: the leases could not be renewed: %s", self._place, error)
