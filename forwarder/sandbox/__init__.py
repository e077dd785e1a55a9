"""The sandbox: our own Feedback API, for development, and the witness of the tests.

It takes feedback like the real API, keeps all of it in SQLite and says under `/sandbox/` which events arrived and how
often. So a test never has to believe the forwarder's own counters. It can also be unwell on demand.

    updates.py   the body of a PUT;  queries.py  a query string
    fault.py     what faults have in common;  outages.py, refusals.py  those that can be asked for
    plan.py      which of them befalls a request (pure)
    store.py     what arrives, written;  witness.py, scores.py  the same, read
    state.py     what the handlers share;  reached.py  the settings that lead to it
    api.py       /v1/feedback;  control.py, page.py  /sandbox/;  app.py  both together;  server.py  the process

    python -m forwarder.sandbox --announce
"""
