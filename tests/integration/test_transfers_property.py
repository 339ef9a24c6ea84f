"""Transfers whatever comes in whichever order, with a person choosing in between."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.test_transfers import is_sound, on, pairs_of, said
from mintql.services.choices import Scope, recategorize
from support.people import category
from support.pipeline import open_pipeline

WORDS = ("ONLINE TRANSFER", "XQJ 771", "BLUE BOTTLE", "AUTOMATIC PAYMENT - THANK YOU")


@pytest.fixture
async def pipeline(database_url, tmp_path):
    async with open_pipeline(database_url, tmp_path) as opened:
        yield opened


told = st.lists(
    st.tuples(
        st.sampled_from(("checking", "savings", "card")), st.sampled_from((-200, -100, 100, 200)),
        st.sampled_from(WORDS), st.integers(0, 7),
    ),
    min_size=2, max_size=9,
)  # fmt: skip


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=told, dice=st.randoms(use_true_random=False), by_hand=st.integers(0, 8))
async def test_pairs_are_the_same_in_any_order_and_choices_by_hand_stay(pipeline, told, dice, by_hand):
    rows = [on(account, f"t{place}", minor, words, day) for place, (account, minor, words, day) in enumerate(told)]
    user_id, connection_id = await pipeline.person()
    await pipeline.refresh(user_id, connection_id, said(*rows))
    other_id, other_connection = await pipeline.person()
    shuffled = list(rows)
    dice.shuffle(shuffled)
    for shown in range(1, len(rows) + 1, 2):
        await pipeline.refresh(other_id, other_connection, said(*shuffled[:shown]))
    await pipeline.refresh(other_id, other_connection, said(*shuffled))
    assert await pairs_of(pipeline, other_id) == await pairs_of(pipeline, user_id)
    for name in (f"t{by_hand % len(rows)}", "t0"):
        async with pipeline.begin() as conn:
            chosen = await conn.fetchval(
                "SELECT transaction_id FROM transactions WHERE user_id = $1 AND external_id = $2", user_id, name
            )
            await recategorize(conn, user_id, [chosen], category("clothing"), Scope.ONCE, pipeline.now)
        extra = on("savings", f"late-{name}", 100, "ONLINE TRANSFER", day=2)
        await pipeline.refresh(user_id, connection_id, said(*rows, extra))
        kept = await pipeline.fetch(
            "SELECT category_id, category_source FROM transactions WHERE transaction_id = $1 AND user_id = $2",
            chosen, user_id,
        )  # fmt: skip
        assert [tuple(item) for item in kept] == [(category("clothing"), "manual")]
        applied = [pair for pair in await pairs_of(pipeline, user_id) if pair[2] == "applied"]
        assert name not in {side for pair in applied for side in pair[:2]}
    await is_sound(pipeline, user_id)
    await is_sound(pipeline, other_id)
