"""The official SDK's calls on our clients: the same arguments, the same kind of answer, the events on the queue."""

import asyncio
import inspect
import os
from typing import Any

import pytest
from portkey_ai.api_resources.apis import feedback as sdk

from forwarder import AsyncFeedbackClient, FeedbackResponse, InvalidFeedback
from forwarder.client.resource import AsyncFeedback, Feedback
from forwarder.errors import UsageError
from tests.support.programs import queued
from tests.support.rig import Rig

GOOD: dict[str, Any] = {"trace_id": "t1", "value": 5, "weight": 0.5, "metadata": {"_user": "u1"}}


@pytest.mark.parametrize(("theirs", "ours"), [(sdk.Feedback, Feedback), (sdk.AsyncFeedback, AsyncFeedback)])
@pytest.mark.parametrize("name", ["create", "bulk_create", "update"])
def test_the_calls_take_what_those_of_the_official_sdk_take(theirs: type, ours: type, name: str) -> None:
    wanted = inspect.signature(getattr(theirs, name))
    arguments = {argument: None for argument in wanted.parameters if argument != "self"}
    inspect.signature(getattr(ours, name)).bind(None, **arguments)
    assert inspect.iscoroutinefunction(getattr(theirs, name)) == inspect.iscoroutinefunction(getattr(ours, name))


@pytest.mark.parametrize("mode", ["buffered", "direct"])
def test_one_and_many_are_taken_and_answered_with_ids_in_their_order(rig: Rig, mode: str) -> None:
    with rig.client(mode=mode) as client:
        one = client.feedback.create(**GOOD)
        many = client.feedback.bulk_create(feedbacks=[{**GOOD, "trace_id": f"m{number}"} for number in range(600)])
    assert (one.status, one.message, len(one.feedback_ids)) == ("success", "1 event queued", 1)
    assert (many.status, many.message) == ("success", "600 events queued")
    assert len({*one.feedback_ids, *many.feedback_ids}) == 601
    assert many.feedback_ids == sorted(many.feedback_ids)
    assert queued(rig) == ["t1", *(f"m{number}" for number in range(600))]


def test_coroutines_have_the_same(rig: Rig) -> None:
    async def calls() -> list[FeedbackResponse]:
        async with AsyncFeedbackClient(settings=rig.settings, mode="direct") as client:
            with pytest.raises(UsageError, match="PUT /feedback"):
                await client.feedback.update(feedback_id="f1", value=1)
            return [await client.feedback.create(**GOOD), await client.feedback.bulk_create(feedbacks=[GOOD, GOOD])]

    assert [len(answer.feedback_ids) for answer in asyncio.run(calls())] == [1, 2]
    assert len(queued(rig)) == 3


@pytest.mark.parametrize("wrong", [{"trace_id": "", "value": 1}, {"trace_id": "t", "value": 11}, {"value": 1}])
def test_an_array_with_a_wrong_event_is_refused_whole(rig: Rig, wrong: dict[str, Any]) -> None:
    with rig.client() as client:
        with pytest.raises(InvalidFeedback, match=r"trace_id|value"):
            client.feedback.bulk_create(feedbacks=[GOOD, wrong])
        with pytest.raises(UsageError, match="PUT /feedback"):
            client.feedback.update(feedback_id="f1", value=1)
    with rig.client(on_invalid="log") as client:
        answer = client.feedback.bulk_create(feedbacks=[GOOD, wrong])
        assert (answer.status, answer.feedback_ids) == ("failure", [])
        assert client.flush().refused == 1
    assert queued(rig) == []


def test_a_forked_child_has_ids_of_its_own(rig: Rig) -> None:
    with rig.client() as client:
        before = client.feedback.create(**GOOD).feedback_ids
        reading, writing = os.pipe()
        if not (child := os.fork()):
            os.write(writing, client.feedback.create(**GOOD).feedback_ids[0].encode())
            os._exit(0)
        os.waitpid(child, 0)
        after = client.feedback.create(**GOOD).feedback_ids
        assert os.read(reading, 100).decode() not in [*before, *after]
