"""The names of spans, attributes and metrics.

Those of `gen_ai.*` follow OpenTelemetry's semantic conventions for generative AI, which are in development: the repository
open-telemetry/semantic-conventions-genai, docs/gen-ai, as of commit 55a32cddb97d. They stand here, and are not imported, since the
package of constants marks them as moved, and the next draft may call them otherwise. What those do not know is `convgraph.*`.
"""

from __future__ import annotations

from typing import Final

SCOPE: Final = "convgraph"
"""The instrumentation scope of all spans and metrics."""

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
WORKFLOW_NAME: Final = "gen_ai.workflow.name"
AGENT_NAME: Final = "gen_ai.agent.name"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
OUTPUT_TYPE: Final = "gen_ai.output.type"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105  # of words, not of a door
INSTRUCTIONS: Final = "gen_ai.system_instructions"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

PARAMETERS: Final = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "seed": "gen_ai.request.seed",
    "stop": "gen_ai.request.stop_sequences",
    "n": "gen_ai.request.choice.count",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
}
"""What a caller sets on a request, and the attribute that says so."""

RUN_STATUS: Final = "convgraph.run.status"
RUN_REASON: Final = "convgraph.run.reason"
RUN_RESUMED: Final = "convgraph.run.resumed"
GRAPH_NAME: Final = "convgraph.graph.name"
GRAPH_FINGERPRINT: Final = "convgraph.graph.fingerprint"
NODE: Final = "convgraph.node"
NODE_KIND: Final = "convgraph.node.kind"
PATH: Final = "convgraph.path"
DECLINED: Final = "convgraph.declined"
COST: Final = "convgraph.usage.cost_usd"
FROM_CACHE: Final = "convgraph.answered_from_cache"
ERROR_MESSAGE: Final = "convgraph.error.message"
EFFECT_KIND: Final = "convgraph.effect.kind"
CANDIDATES: Final = "convgraph.selection.candidates"
CHOSEN: Final = "convgraph.selection.chosen"
CHOSEN_EDGE: Final = "convgraph.selection.edge"
CHOSEN_BY: Final = "convgraph.selection.chosen_by"
DISTRIBUTION: Final = "convgraph.selection.distribution"
DISTRIBUTION_BY: Final = "convgraph.selection.distribution_by"
QUESTION: Final = "convgraph.question.id"
QUESTION_TO: Final = "convgraph.question.to"
QUESTION_ANSWERED: Final = "convgraph.question.answered"

ATTEMPT_FAILED: Final = "convgraph.attempt_failed"
"""The event of a failed attempt, on its turn's span."""
ATTEMPT: Final = "convgraph.attempt"
ATTEMPT_CAUSE: Final = "convgraph.attempt.cause"

TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105
OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
TURNS: Final = "convgraph.turns"
RUNS: Final = "convgraph.runs"
SPENT: Final = "convgraph.cost"

TOKEN_BUCKETS: Final = tuple(4.0**power for power in range(14))
SECOND_BUCKETS: Final = tuple(0.01 * 2**power for power in range(14))
"""The boundaries that the conventions advise."""
