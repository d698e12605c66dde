"""What the executors promise that are no sandbox: the local process its end, the kernel its state."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from convgraph.coding import CodeBlock, LocalCommandLineCodeExecutor

pytestmark = pytest.mark.anyio

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def is_gone(process: int) -> bool:
    """Whether it ended; the dead may wait a moment to be collected."""
    for _ in range(1000):
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


async def test_local_code_runs_as_this_user_with_this_python(local: Any) -> None:
    result = await local.python("import os, sys; print(os.getuid(), sys.executable)")
    assert result.output == f"{os.getuid()} {sys.executable}\n"


async def test_a_local_timeout_ends_the_whole_process_group(local: Any) -> None:
    code = "trap '' TERM INT HUP; (trap '' TERM; echo $$ > leader; sh -c 'echo $$ > child; exec sleep 60'); sleep 60"
    await local.endless(CodeBlock("sh", code), begun=lambda _: (local.work_dir / "child").exists())
    for name in ("leader", "child"):
        assert is_gone(int((local.work_dir / name).read_text()))


async def test_what_local_code_leaves_in_the_background_ends_with_it(local: Any) -> None:
    result = await local.sh("sleep 60 & echo $!")
    assert result.exit_code == 0
    assert is_gone(int(result.output))


async def test_a_daemon_that_holds_the_output_does_not_hold_the_call(local: Any) -> None:
    started = time.monotonic()
    result = await local.sh("setsid sh -c 'echo $$ > daemon; sleep 60' & while ! test -s daemon; do :; done; echo done")
    assert result.output == "done\n"
    assert time.monotonic() - started < 30
    os.kill(int((local.work_dir / "daemon").read_text()), 9)


async def test_endless_local_output_is_cut_and_stopped(local: Any) -> None:
    flood = CodeBlock("sh", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done")
    result = await local.endless(flood, begun=lambda result: "bytes left out" in result.output)
    assert len(result.output) < 101_000


async def test_a_cancelled_local_call_ends_its_code(local: Any) -> None:
    call = asyncio.create_task(local.sh("echo $$ > cancelled; exec sleep 60"))
    while not ((local.work_dir / "cancelled").exists() and (local.work_dir / "cancelled").read_text()):
        await asyncio.sleep(0.02)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert is_gone(int((local.work_dir / "cancelled").read_text()))


async def test_a_signal_shows_in_the_exit_code(local: Any) -> None:
    assert (await local.sh("kill -SEGV $$")).exit_code == 128 + 11


async def test_local_limits_hold(tmp_path: Path) -> None:
    async with LocalCommandLineCodeExecutor(work_dir=tmp_path / "work", memory=256 << 20, file_size=1000) as executor:
        assert "MemoryError" in (await executor.execute([CodeBlock("python", "bytearray(1 << 30)")])).output
        await executor.execute([CodeBlock("sh", "head -c 5000 /dev/zero > big")])
    assert (tmp_path / "work/big").stat().st_size == 1000


async def test_a_kernel_keeps_names_between_calls(jupyter: Any) -> None:
    await jupyter.python("kept = 41")
    assert (await jupyter.python("kept + 1")).output == "42\n"


async def test_pictures_and_pages_are_saved_under_names_that_stay(jupyter: Any) -> None:
    code = (
        f"from IPython.display import HTML, Image, display\nimport base64\ndisplay(HTML('<b>x</b>'))\nImage(base64.b64decode('{PICTURE}'))"
    )
    results = [await jupyter.executor.execute([CodeBlock("python", code)], key="plot") for _ in range(2)]
    page, picture = results[0].files
    assert results[0].files == results[1].files
    assert (Path(page).suffix, Path(picture).suffix) == (".html", ".png")
    assert (jupyter.work_dir / page).read_text() == "<b>x</b>"
    assert (jupyter.work_dir / picture).read_bytes().startswith(b"\x89PNG")
    assert page in results[0].output
    assert picture in results[0].output


async def test_code_that_takes_too_long_is_interrupted_and_keeps_its_state(jupyter: Any) -> None:
    await jupyter.python("kept = 1")
    loop = CodeBlock("python", "print('begun', flush=True)\nwhile True: kept += 1")
    await jupyter.endless(loop, begun=lambda result: result.output.startswith("begun"))
    assert (await jupyter.python("kept > 1")).output == "True\n"


async def test_a_kernel_that_takes_no_interrupt_is_replaced_and_that_is_said(jupyter: Any) -> None:
    await jupyter.python("lost = 1")
    result = await jupyter.python("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", timeout=0.5)
    assert result.timed_out
    assert "new kernel" in result.output
    assert "NameError" in (await jupyter.python("lost")).output


async def test_a_kernel_that_dies_is_replaced_and_that_is_said(jupyter: Any) -> None:
    result = await jupyter.python("import os; os._exit(3)")
    assert result.exit_code == 1
    assert "the kernel died" in result.output
    assert (await jupyter.python("print('usable')")).output == "usable\n"


async def test_a_cell_cannot_ask_for_input(jupyter: Any) -> None:
    assert (await jupyter.python("input()")).exit_code == 1


async def test_an_unknown_kernel_is_named() -> None:
    from convgraph.coding import JupyterCodeExecutor
    from convgraph.errors import ExecutorUnavailable

    with pytest.raises(ExecutorUnavailable, match="no-such-kernel"):
        await JupyterCodeExecutor(kernel_name="no-such-kernel").open()
