"""The openai SDK's client for an endpoint: it is told to retry nothing, since that is `retry`'s business.

Importing this module loads the SDK.
"""

from __future__ import annotations

from typing import Any

from openai import AsyncAzureOpenAI, AsyncOpenAI

from convgraph.models.pool import ConnectionPool, Endpoint


async def sdk_client(endpoint: Endpoint, pool: ConnectionPool) -> AsyncOpenAI:
    """A client for `endpoint` on the running loop's connections."""
    azure = endpoint.azure
    common: Any = {"timeout": endpoint.timeout, "max_retries": 0, "http_client": await pool.client()}
    if not azure.endpoint:
        return AsyncOpenAI(api_key=endpoint.api_key or "none-needed", base_url=endpoint.base_url, **common)
    return AsyncAzureOpenAI(
        azure_endpoint=azure.endpoint,
        azure_deployment=azure.deployment,
        api_version=azure.version,
        api_key=endpoint.api_key or None,
        azure_ad_token=azure.ad_token,
        azure_ad_token_provider=azure.ad_token_provider,
        **common,
    )
