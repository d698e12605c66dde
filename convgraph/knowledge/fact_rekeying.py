"""Sealing anew what facts a database holds: under the newest key, or for the first time."""

from __future__ import annotations

from pathlib import Path

from convgraph.journal.keyring import Keyring
from convgraph.journal.sealing import SealedStore
from convgraph.knowledge import fact_tables as tables
from convgraph.knowledge.fact_databases import database_at
from convgraph.knowledge.fact_sealing import MARKERS, PLAIN_FACTS, SealedFacts
from convgraph.knowledge.fact_tables import Execute


async def seal_facts_anew(url: str | Path, keys: Keyring) -> int:
    """Seal the facts at `url` under the newest key, those that were plain for the first time: all or nothing. Says how many they are."""
    database = database_at(str(url), keys, unsealed=True)

    def work(execute: Execute) -> int:
        marker = execute(f"SELECT marker FROM {MARKERS} WHERE namespace=''", ())  # noqa: S608  # a constant
        known = str(marker[0][0]) if marker else ""
        store = SealedStore(keys, database.place, "", known or None)
        execute.seal = SealedFacts(store) if known else PLAIN_FACTS
        facts = tables.listed(execute, None, None, None, superseded=True, limit=None)
        vectors = [
            (fact_id, model, execute.seal.opened_vector(fact_id, model, vector))
            for fact_id, model, vector in execute("SELECT fact, model, vector FROM fact_vectors", ())
        ]
        execute.seal = SealedFacts(store)
        for fact in facts:
            tables.rewrite(execute, fact)
        for fact_id, model, vector in vectors:
            sealed = execute.seal.vector(fact_id, model, vector)
            execute("UPDATE fact_vectors SET vector=? WHERE fact=? AND model=?", (sealed, fact_id, model))
        execute(f"DELETE FROM {MARKERS}", ())  # noqa: S608
        execute(f"INSERT INTO {MARKERS}(namespace, marker) VALUES('', ?)", (store.marker_sealed_anew(),))
        return len(facts)

    try:
        sealed = await database.write(work)
        await database.forgotten()
        return sealed
    finally:
        await database.aclose()
