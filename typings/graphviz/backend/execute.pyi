from collections.abc import Sequence
from os import PathLike
from subprocess import CompletedProcess

def run_check(
    cmd: Sequence[PathLike[str] | str], *, input: bytes, capture_output: bool, quiet: bool, timeout: float
) -> CompletedProcess[bytes]: ...
