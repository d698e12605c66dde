"""What a program prints, kept within bounds: its beginning, its end, and how much was left out between them."""

from __future__ import annotations


class BoundedOutput:
    """Takes any number of bytes and keeps `limit` of them: the first half and the last."""

    def __init__(self, limit: int) -> None:
        self._head_size = limit // 2
        self._tail_size = limit - self._head_size
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def add(self, data: bytes) -> None:
        """Take `data` in."""
        self._total += len(data)
        room = self._head_size - len(self._head)
        self._head += data[:room]
        self._tail += data[room:][-self._tail_size :]
        if len(self._tail) > 4 * self._tail_size:
            del self._tail[: -self._tail_size]

    def add_line(self, text: str) -> None:
        """Take in a line of our own; it begins a new line."""
        last = self._tail or self._head
        self.add((b"" if not last or last.endswith(b"\n") else b"\n") + text.encode() + b"\n")

    def text(self) -> str:
        """What was kept, as text; bytes that are no UTF-8 show as U+FFFD."""
        tail = self._tail[-self._tail_size :] if self._tail else b""
        missing = self._total - len(self._head) - len(tail)
        if not missing:
            return (self._head + tail).decode(errors="replace")
        head = self._head.decode(errors="replace")
        return f"{head}\n… {missing:,} bytes left out …\n{tail.decode(errors='replace')}"
