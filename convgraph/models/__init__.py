"""Clients that answer a `ModelRequest`.

Each module holds one: `scripted` (a script instead of a model), `openai_chat` (any OpenAI-compatible
endpoint), `fallback` (several models, tried in order), `config` (AutoGen's `llm_config`). Below them,
`wire` writes a request in OpenAI's chat format, `completion` reads the answer, `structured` deals with answers
that must fit a schema, and `retry` decides what is tried again.
"""
