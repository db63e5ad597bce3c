"""Whose the calls in a block are."""

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from uuid import UUID

import pytest

from analytics.tracking.context import UsageContext, current_context, usage_context

ACME = UUID("aaaaaaaa-0000-4000-8000-000000000001")
GLOBEX = UUID("aaaaaaaa-0000-4000-8000-000000000002")


def test_outside_of_a_block_nothing_is_known() -> None:
    assert current_context() == UsageContext(client_id=None, conversation_id=None, phone=None)


def test_a_block_says_whose_its_calls_are_and_ends() -> None:
    with usage_context(client_id=ACME, conversation_id="invoice", phone="5511999999999") as context:
        assert current_context() == context
        assert context == UsageContext(client_id=ACME, conversation_id="invoice", phone="5511999999999")

    assert current_context() == UsageContext()


def test_it_ends_with_an_error_too() -> None:
    with pytest.raises(RuntimeError, match="of the application"), usage_context(client_id=ACME):
        raise RuntimeError("of the application")

    assert current_context() == UsageContext()


def test_an_inner_block_takes_what_it_leaves_out_from_the_outer_one() -> None:
    with usage_context(client_id=ACME, phone="5511999999999"):
        with usage_context(conversation_id="invoice"):
            assert current_context() == UsageContext(
                client_id=ACME, conversation_id="invoice", phone="5511999999999"
            )
        assert current_context().conversation_id is None


def test_another_client_does_not_inherit_a_conversation_nor_another_conversation_a_phone() -> None:
    with usage_context(client_id=ACME, conversation_id="invoice", phone="5511999999999"):
        with usage_context(client_id=GLOBEX):
            assert current_context() == UsageContext(client_id=GLOBEX)
        with usage_context(conversation_id="delivery"):
            assert current_context() == UsageContext(client_id=ACME, conversation_id="delivery")
        # The same, said again, in whatever type.
        with usage_context(client_id=str(ACME), conversation_id="invoice"):
            assert current_context().phone == "5511999999999"


def test_one_block_may_be_entered_again_and_within_itself() -> None:
    block = usage_context(client_id=ACME)
    with block, block:
        assert current_context().client_id == ACME
    with block:
        assert current_context().client_id == ACME
    assert current_context() == UsageContext()


def test_asyncio_tasks_do_not_mix() -> None:
    async def handle(client: UUID, met: asyncio.Barrier) -> UUID | str | None:
        with usage_context(client_id=client):
            await met.wait()  # both are in their blocks now
            return await asyncio.create_task(inner())

    async def inner() -> UUID | str | None:
        return current_context().client_id

    async def main() -> list[UUID | str | None]:
        met = asyncio.Barrier(2)
        return await asyncio.gather(handle(ACME, met), handle(GLOBEX, met))

    assert asyncio.run(main()) == [ACME, GLOBEX]
    assert current_context() == UsageContext()


def test_a_thread_begins_without_unless_it_is_given_a_copy() -> None:
    seen: list[UsageContext] = []

    def look() -> None:
        seen.append(current_context())

    with usage_context(client_id=ACME):
        for target in (look, lambda: contextvars.copy_context().run(look)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        copy = contextvars.copy_context()
        thread = threading.Thread(target=copy.run, args=(look,))
        thread.start()
        thread.join()

    assert seen == [UsageContext(), UsageContext(), UsageContext(client_id=ACME)]


def test_a_generator_that_is_closed_elsewhere_is_no_error() -> None:
    # As frameworks do with generators that set something up for a request.
    def dependency() -> Iterator[None]:
        with usage_context(client_id=ACME):
            yield

    generator = dependency()
    contextvars.copy_context().run(next, generator)
    contextvars.copy_context().run(generator.close)

    assert current_context() == UsageContext()


def test_tags_add_up_and_the_inner_value_of_a_key_counts() -> None:
    with usage_context(client_id=ACME, tags={"feature": "search", "team": "growth"}):
        with usage_context(conversation_id="invoice", tags={"feature": "chat", "step": 2}):
            assert current_context().tags == {"feature": "chat", "team": "growth", "step": 2}
        assert current_context().tags == {"feature": "search", "team": "growth"}
        with usage_context(conversation_id="delivery"):
            assert current_context().tags == {"feature": "search", "team": "growth"}
        # A tag may name one of its people.
        with usage_context(client_id=GLOBEX, tags={"step": 3}):
            assert current_context().tags == {"step": 3}
    assert current_context().tags is None
