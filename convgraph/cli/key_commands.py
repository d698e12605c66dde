"""The commands for encrypted stores: new-key, encrypt, rekey. Keys come from CONVGRAPH_KEYS or a file, never from the command line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from convgraph.cli import options as o
from convgraph.cli.output import Output
from convgraph.errors import InputError
from convgraph.journal.keyring import VARIABLE, Keyring
from convgraph.wording import counted


def new_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="What the key is called in what it seals: a date, say.")],
) -> int:
    """Make a key, and print it as a line for a file of keys.

    The newest key comes first in the file. Who has the keys can read the store; without them nobody can.
    """
    Output(as_json=False).line(Keyring.new(key_id).text().rstrip())
    return 0


KeyFile = Annotated[
    Path | None, typer.Option("--keys", metavar="FILE", help=f"The file of keys, the newest first. Default: what {VARIABLE} says.")
]


def encrypt(*, keys: KeyFile = None, store: o.StoreUrl = o.DEFAULT_STORE, as_json: o.AsJson = False) -> int:
    """Encrypt a store that is not encrypted yet: all of it, or nothing.

    End every process that uses it before. Backups and copies are not touched.
    """
    from convgraph.journal.rekeying import encrypt_store
    from convgraph.knowledge.fact_rekeying import seal_facts_anew

    output = Output(as_json=as_json)
    ring = _keyring(keys)
    sealed = encrypt_store(store, ring) + asyncio.run(seal_facts_anew(store, ring))
    output.line(f"{store} is encrypted with the key {ring.newest}; {counted(sealed, 'row')} sealed")
    output.result({"store": store, "key": ring.newest, "sealed": sealed})
    return 0


def rekey(*, keys: KeyFile = None, store: o.StoreUrl = o.DEFAULT_STORE, as_json: o.AsJson = False) -> int:
    """Seal an encrypted store anew under the newest key. Cut short, it goes on where it stopped."""
    from convgraph.journal.rekeying import rekey_store
    from convgraph.knowledge.fact_rekeying import seal_facts_anew

    output = Output(as_json=as_json)
    ring = _keyring(keys)
    sealed = rekey_store(store, ring) + asyncio.run(seal_facts_anew(store, ring))
    output.line(f"{store} is sealed with the key {ring.newest} alone; {counted(sealed, 'row')} sealed anew")
    output.result({"store": store, "key": ring.newest, "sealed": sealed})
    return 0


def _keyring(file: Path | None) -> Keyring:
    ring = Keyring.from_environment() if file is None else Keyring.from_file(file)
    if ring is None:
        raise InputError(f"there are no keys: --keys FILE names a file of them, or set {VARIABLE} (`convgraph new-key ID` makes one)")
    return ring
