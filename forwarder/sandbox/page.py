"""The page at /sandbox/: what is there."""

from typing import Final

from aiohttp import web

PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Feedback sandbox</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}
dt{font-family:ui-monospace,monospace;margin-top:.6rem}</style>
<h1>Feedback sandbox</h1>
<p>A Feedback API that keeps what it receives and says what arrived.</p>
<h2>The API (key: x-portkey-api-key or Authorization: Bearer)</h2>
<dl>
<dt>POST /v1/feedback/</dt><dd>one event, or an array of events</dd>
<dt>PUT /v1/feedback/{id}</dt><dd>a new value, weight, metadata</dd>
<dt>GET /v1/feedback/summary?group_by=trace_id|user|prompt|environment|organisation&amp;limit=100</dt><dd>scores</dd>
</dl>
<h2>What arrived (no key)</h2>
<dl>
<dt><a href="/sandbox/counts">GET /sandbox/counts</a></dt><dd>requests, events, distinct trace ids, duplicates</dd>
<dt><a href="/sandbox/arrivals">GET /sandbox/arrivals</a>?trace_id=&amp;prefix=&amp;after=&amp;limit=</dt>
<dd>the events, by trace id</dd>
<dt><a href="/sandbox/times-arrived">GET /sandbox/times-arrived</a>?prefix=</dt><dd>trace id to count</dd>
<dt><a href="/sandbox/requests">GET /sandbox/requests</a>?limit=</dt><dd>the latest requests</dd>
<dt>DELETE /sandbox/arrivals</dt><dd>forget all of it</dd>
</dl>
<h2>Being unwell on demand</h2>
<dl>
<dt><a href="/sandbox/faults">GET /sandbox/faults</a>, PUT (a list), POST (one more), DELETE</dt>
<dd>status, reset, hang, garbage, failure, short_ids, latency, refuse, capacity, max_events, max_bytes;
each with share, count and for_s</dd>
<dt>PUT /sandbox/keys {"keys": ["sandbox"]}</dt><dd>the API keys that are accepted</dd>
</dl>
</html>
"""


async def get_page(_: web.Request) -> web.StreamResponse:
    """`GET /sandbox/`."""
    return web.Response(text=PAGE, content_type="text/html")
