"""A program of somebody who calls the Feedback API with the official SDK: `python sdk_calls.py BASE_URL KEY`.

Prints what the calls answered, as one JSON object by the calls' names.
"""

import asyncio
import json
import sys

from portkey_ai import AsyncPortkey, Portkey

BULK = [{"trace_id": f"bulk-{number}", "value": -number} for number in range(3)]


def sync_calls(base_url: str, key: str) -> dict[str, object]:
    """What the calls of the blocking SDK answer."""
    client = Portkey(api_key=key, base_url=base_url)
    one = client.feedback.create(trace_id="one", value=5, weight=0.5, metadata={"_user": "u1"})
    many = client.feedback.bulk_create(feedbacks=BULK)
    bare = client.feedback.create(trace_id="bare", value=1)
    try:
        client.feedback.update(feedback_id="f1", value=1)
    except Exception as error:
        update = f"{type(error).__name__}: {error}"
    return {"create": one.model_dump(), "bulk": many.model_dump(), "bare": bare.model_dump(), "update": update}


async def async_calls(base_url: str, key: str) -> dict[str, object]:
    """Likewise, of the one for asyncio."""
    client = AsyncPortkey(api_key=key, base_url=base_url)
    one = await client.feedback.create(trace_id="async-one", value=5)
    many = await client.feedback.bulk_create(
        feedbacks=[event | {"trace_id": f"async-{event['trace_id']}"} for event in BULK]
    )
    return {"async create": one.model_dump(), "async bulk": many.model_dump()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(sync_calls(*sys.argv[1:]) | asyncio.run(async_calls(*sys.argv[1:])), default=str))
