"""The aiohttp application: the routes, and errors in one shape."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from forwarder.answers import Refused, error_reply
from forwarder.log import get_logger
from forwarder.sandbox import api, control, page
from forwarder.sandbox.api import respond
from forwarder.sandbox.plan import Plan
from forwarder.sandbox.state import STATE, Options, State
from forwarder.sandbox.store import Store
from forwarder.sandbox.witness import Witness

FEEDBACK: Final = ("/v1/feedback", "/v1/feedback/")


def make_app(path: Path, options: Options | None = None) -> web.Application:
    """The sandbox that keeps what arrives in this file.

    Raises:
        ForwarderError: the file cannot be used.
    """
    options = options or Options()
    store = Store(path)
    witness = Witness(path, store.id_prefix)
    app = web.Application(middlewares=[_in_one_shape], client_max_size=options.max_body_bytes)
    app[STATE] = State(options, store, witness, Plan(options.seed), options.keys, options.codec)
    app.add_routes(_routes())
    app.on_shutdown.append(_stop_waiting)
    app.cleanup_ctx.append(_open_store)
    return app


def _routes() -> list[web.RouteDef]:
    return [
        *(web.post(path, api.post_feedback) for path in FEEDBACK),
        *(web.get(f"/v1/feedback/summary{slash}", api.get_summary, allow_head=False) for slash in ("", "/")),
        *(web.put(f"/v1/feedback/{{feedback_id}}{slash}", api.put_feedback) for slash in ("", "/")),
        web.get("/healthz", control.get_health),
        web.get("/sandbox/", page.get_page),
        web.get("/sandbox/counts", control.get_counts),
        web.get("/sandbox/arrivals", control.get_arrivals),
        web.delete("/sandbox/arrivals", control.delete_arrivals),
        web.get("/sandbox/times-arrived", control.get_times_arrived),
        web.get("/sandbox/requests", control.get_requests),
        web.get("/sandbox/faults", control.get_faults),
        web.put("/sandbox/faults", control.put_faults),
        web.post("/sandbox/faults", control.post_fault),
        web.delete("/sandbox/faults", control.delete_faults),
        web.put("/sandbox/keys", control.put_keys),
    ]


async def _stop_waiting(app: web.Application) -> None:
    """Let hanging requests and long queries go, so that stopping is quick."""
    app[STATE].closing.set()
    app[STATE].witness.interrupt()


async def _open_store(app: web.Application) -> AsyncIterator[None]:
    yield
    app[STATE].store.close()


@web.middleware
async def _in_one_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What is raised becomes an error of the API."""
    try:
        return await handler(request)
    except Refused as refused:
        return respond(refused.reply)
    except web.HTTPException as error:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return respond(error_reply(error.status, f"{request.method} {request.path}: {error.reason}", headers=headers))
    except sqlite3.Error as error:
        get_logger().error("sandbox_store_failed", error=str(error))
        return respond(error_reply(500, f"the sandbox's store failed: {error}"))
