"""The HTTP ingest in trouble: bad connections, a queue that is away or full, processes that are killed or stopped."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.integration.conftest import StartRig
from tests.support.callers import assert_all_arrived, goes_on, load
from tests.support.ingest import Ingest, answer_on, request
from tests.support.rig import DurableRig, Rig
from tests.support.waiting import eventually

BODY = b'{"trace_id":"t1","value":1}'
IDLE = 5_000


# Processes


def test_kill_9_of_a_serving_process_loses_nothing_that_was_answered(start_rig: StartRig) -> None:
    rig = start_rig()
    rig.start_worker()
    with Ingest(rig, "--workers", "2") as ingest:
        with load(ingest) as callers:
            assert goes_on(callers)
            first = eventually(lambda: ingest.children() if len(ingest.children()) == 2 else [])
            rig.kill(first[0])
            assert goes_on(callers), "the other one serves"
            assert eventually(lambda: len(set(ingest.children()) - set(first)) == 1), "it is started again"
            assert goes_on(callers)
        assert ingest.http.get("/healthz").status_code == 200
    assert_all_arrived(rig, callers)


def test_kill_9_of_the_worker_loses_nothing_that_was_answered(start_rig: StartRig) -> None:
    rig = start_rig()
    worker = rig.start_worker()
    with Ingest(rig) as ingest, load(ingest) as callers:
        assert eventually(lambda: rig.books()["delivered"])
        for pid in [*rig.horses(), worker.pid]:
            rig.kill(pid)
        worker.wait()
        assert goes_on(callers)
        rig.start_worker()
        assert goes_on(callers)
    assert_all_arrived(rig, callers)


def test_kill_9_of_the_queue_server_loses_nothing_that_was_answered() -> None:
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder, DurableRig(Path(folder)) as rig:
        rig.start_worker()
        with Ingest(rig) as ingest, load(ingest) as callers:
            assert goes_on(callers)
            rig.kill_server()
            assert eventually(lambda: ingest.http.get("/readyz").status_code == 503)
            rig.server.start()
            assert goes_on(callers)
            assert ingest.http.get("/readyz").status_code == 200
        assert_all_arrived(rig, callers)


def test_a_stop_answers_what_is_in_flight_and_breaks_no_request_off(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_INGEST_LINGER_MS="300")
    with Ingest(rig) as ingest:
        connections = [ingest.connect() for _ in range(20)]
        for connection in connections:
            connection.sendall(request(BODY))
        ingest.process.send_signal(signal.SIGTERM)
        answers = [answer_on(connection)[0] for connection in connections]
        assert ingest.process.wait(20) == 0
        for connection in connections:
            connection.close()
    assert answers == [202] * 20
    assert rig.books()["accepted"] == 20


def test_what_keeps_it_from_starting_is_told_without_a_traceback(rig: Rig) -> None:
    rig.variables["FORWARDER_QUEUE_KEY"] = "not-a-key"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd, parent = listener.fileno(), os.getpid()
        process = subprocess.run(
            [sys.executable, "-m", "forwarder.ingest", f"--fd={fd}", f"--parent={parent}"],
            env=rig.environment,
            pass_fds=[fd],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    serve = rig.start(sys.executable, "-m", "forwarder.cli", "serve")
    assert process.returncode
    assert serve.wait(60) == 1
    for said in (process.stderr, rig.log.read_text()):
        assert "FORWARDER_QUEUE_KEY: " in said
        assert "Traceback" not in said


# The queue is away, slow or full


def test_while_redis_is_away_it_says_so_and_is_well_again_by_itself(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_REDIS_TIMEOUT_S="0.5")
    with Ingest(rig) as ingest:
        rig.kill_server()
        answer = ingest.post({"trace_id": "t1", "value": 1})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert answer.json()["error"]["code"] == "unavailable"
        assert str(rig.folder) not in answer.text, "where Redis is concerns no caller"
        assert ingest.http.get("/healthz").status_code == 200
        assert ingest.http.get("/readyz").status_code == 503
        assert "forwarder_queue_up 0.0" in ingest.http.get("/metrics").text.splitlines()
        rig.server.start()
        assert eventually(lambda: ingest.post({"trace_id": "t1", "value": 1}).status_code == 202)
    assert rig.said("appends_refused") == 1
    assert rig.said("appends_taken_again") == 1


def test_a_redis_that_hangs_is_not_waited_for_without_end(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_REDIS_TIMEOUT_S="0.5")
    with Ingest(rig) as ingest:
        assert ingest.post({"trace_id": "t1", "value": 1}).status_code == 202
        with rig.frozen_server():
            assert ingest.post({"trace_id": "t2", "value": 1}).status_code == 503
            assert ingest.http.get("/readyz").status_code == 503
        assert eventually(lambda: ingest.post({"trace_id": "t3", "value": 1}).status_code == 202)


def test_a_full_queue_is_told(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_BACKLOG_MAX_EVENTS="10")
    with Ingest(rig) as ingest:
        assert ingest.post([{"trace_id": "t1", "value": 1}] * 10).status_code == 202
        answer = ingest.post({"trace_id": "t1", "value": 1})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "full" in answer.json()["error"]["message"]
        ready = ingest.http.get("/readyz")
        assert (ready.status_code, "FORWARDER_BACKLOG_MAX_EVENTS" in ready.text) == (503, True)
        assert rig.books()["accepted"] == 10


# Connections


def test_a_slow_request_is_given_up_and_nobody_else_waits(start_rig: StartRig) -> None:
    with Ingest(start_rig(FORWARDER_INGEST_REQUEST_TIMEOUT_S="1")) as ingest:
        for beginning in (request(BODY, length=100), request(BODY)[:40]):
            with ingest.connect() as slow:
                slow.sendall(beginning)
                assert ingest.post({"trace_id": "t1", "value": 1}).status_code == 202
                status, body = answer_on(slow)
                assert (status, json.loads(body)["error"]["code"]) == (408, "timeout")


def test_a_connection_without_a_request_is_closed_in_time(start_rig: StartRig) -> None:
    with Ingest(start_rig(FORWARDER_INGEST_KEEP_ALIVE_S="1")) as ingest, ingest.connect() as idle:
        assert answer_on(idle) == (0, b"")


def test_a_huge_header_is_refused(rig: Rig) -> None:
    with Ingest(rig) as ingest:
        for many in ([f"x-long: {'x' * 2_000_000}"], [f"x-{number}: {'x' * 1_000}" for number in range(2_000)]):
            with ingest.connect() as connection:
                with contextlib.suppress(ConnectionError):  # it is closed while we still send
                    connection.sendall(request(BODY, *many))
                with contextlib.suppress(ConnectionError):
                    status, body = answer_on(connection)
                    assert (status, "FORWARDER_INGEST_HEADER_MAX_BYTES" in body.decode()) == (431, True)
        assert ingest.post({"trace_id": "t1", "value": 1}).status_code == 202
        assert rig.books()["accepted"] == 1


def test_an_endless_header_is_refused_at_its_limit(rig: Rig) -> None:
    with Ingest(rig) as ingest, ingest.connect() as connection:
        connection.sendall(request(b"", length=9)[:-2] + b"x: " + b"x" * 70_000)
        assert answer_on(connection)[0] == 431


def test_who_has_shut_down_the_sending_side_gets_its_answer(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_INGEST_LINGER_MS="200")
    with Ingest(rig) as ingest:
        with ingest.connect() as half:
            half.sendall(request(BODY))
            half.shutdown(socket.SHUT_WR)
            assert answer_on(half)[0] == 202
        with ingest.connect() as cut:
            cut.sendall(request(BODY, length=1_000))
            cut.shutdown(socket.SHUT_WR)
            assert answer_on(cut) == (0, b"")
    assert rig.books()["accepted"] == 1


def test_a_caller_that_leaves_early_disturbs_nobody(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_INGEST_LINGER_MS="200")
    with Ingest(rig) as ingest:
        for _ in range(20):
            with ingest.connect() as gone:
                gone.sendall(request(BODY))
        assert ingest.post({"trace_id": "t1", "value": 1}).status_code == 202
        assert not rig.logged("request_failed")
        assert 1 <= rig.books()["accepted"] <= 21


def test_garbage_is_answered_in_the_error_shape_and_spoils_no_request_before_it(rig: Rig) -> None:
    with Ingest(rig) as ingest:
        with ingest.connect() as connection:
            connection.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
            status, body = answer_on(connection)
            assert (status, json.loads(body)["error"]["type"]) == (400, "invalid_request_error")
        with ingest.connect() as connection:
            connection.sendall(request(BODY) + b"GARBAGE\r\n\r\n")
            assert answer_on(connection)[0] == 202


def test_pipelined_requests_are_answered_in_order(rig: Rig) -> None:
    with Ingest(rig) as ingest, ingest.connect() as connection:
        connection.sendall(request(BODY) + request(b"[]") + request(BODY))
        received = b""
        while received.count(b"HTTP/1.1") < 3:
            received += connection.recv(65_536)
        assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"202", b"422", b"202"]


def test_thousands_of_idle_connections_do_no_harm(rig: Rig) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with Ingest(rig) as ingest, contextlib.ExitStack() as held:
            for _ in range(IDLE):
                held.enter_context(ingest.connect())
            for number in range(100):
                assert ingest.post({"trace_id": f"t{number}", "value": 1}).status_code == 202
            (pid,) = ingest.children()
            assert eventually(lambda: sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()) > IDLE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert rig.books()["accepted"] == 100


def test_more_connections_than_allowed_are_closed(start_rig: StartRig) -> None:
    with Ingest(start_rig(FORWARDER_INGEST_CONNECTIONS_MAX="5")) as ingest, contextlib.ExitStack() as held:
        for _ in range(5):
            held.enter_context(ingest.connect()).sendall(request(BODY)[:20])
        assert eventually(lambda: answer_on(held.enter_context(ingest.connect())) == (0, b""))
