"""What can be wrong with the documentation."""

from __future__ import annotations


class DocumentationError(Exception):
    """A page cannot be made; the message says which, and what is wrong with it."""
