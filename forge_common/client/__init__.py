"""The public ZMQ client: token ids or text in, an iterator of outputs out.

    with ForgeClient.connect("ipc:///run/forge/clients.sock") as forge:
        for output in forge.generate([1, 2, 3], SamplingParams(max_tokens=16, seed=7)):
            print(output.token_ids)

`ForgeClient` blocks, `AsyncForgeClient` awaits. What is said to the scheduler, and what its answers
mean, stands once, in `RequestBook`; the two only wait differently. docs/zmq-client.md describes the
bytes for other languages. Knows nothing of HTTP, chat messages or templates.
"""

from forge_common.client.asynchronous import AsyncForgeClient
from forge_common.client.blocking import ForgeClient
from forge_common.client.request_book import Output
from forge_common.errors import LinkError, RequestError
from forge_common.sampling import FinishReason, SamplingParams

__all__ = [
    "AsyncForgeClient",
    "FinishReason",
    "ForgeClient",
    "LinkError",
    "Output",
    "RequestError",
    "SamplingParams",
]
