"""Clients that answer a `ModelRequest`.

Models: `openai_chat` and `openai_responses` (any OpenAI-compatible endpoint, Azure's included), `client_model` (AutoGen's
protocol for a client of one's own), `scripted` (a script instead of a model); around others, `fallback` (several, tried in
order), `cached` (answers kept in a `cache`) and `structured_model` (answers that fit one schema). `config` makes them of
AutoGen's `llm_config`, `config_lists` reads and filters its lists, `costs` says what runs have cost.

Below them: `openai_model` is what the two interfaces share and `dialect` what differs; `wire` and `responses_wire` write a
request, `completion` and `responses_answer` read what comes back, `structured` deals with answers that must fit a schema,
`prices` with what tokens cost; `call` sends, `retry` decides what is sent again, `rate_limit` when, `pool` keeps connections.
"""
