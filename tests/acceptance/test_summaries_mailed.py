"""A month of somebody at the sandbox bank: summed up over GraphQL, told, and mailed, with the same figures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default as default_policy
from pathlib import Path

import pytest

from mintql.domain.money_words import amount_words
from mintql.runtime import open_runtime
from mintql.services import digest_rounds
from mintql.settings import Settings
from support.clients import client_of, eventually

SUMMARY = """
query Summary($on: Date) {
  summary(period: MONTH, on: $on) {
    first last title
    currencies {
      currency spent { amount { amountMinor } } received { amount { amountMinor } } net { amountMinor }
      categories { category { slug } spent { amount { amountMinor } } }
      merchants { name spent { amountMinor } }
      largestPurchases { merchant amount { amountMinor } }
    }
  }
}
"""
MONTH = """
query Month($month: Month!) {
  monthlySpending(from: $month, to: $month) {
    totals { currency spent { amountMinor } received { amountMinor } }
    categories { currency category { slug kind } spent { amountMinor } }
  }
}
"""
HOUR = timedelta(hours=1)
TRANSACTIONS = "{ transactions(first: 1) { nodes { id } } connections { sync { lastSuccessAt } } }"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    changes = {
        "smtp_url": type(settings.redis_url)(f"file:{tmp_path / 'mail'}"),
        "mail_from": "mintql <budgets@mintql.test>",
        "public_url": "https://budget.example.org",
    }
    return settings.model_copy(update=changes)


async def test_a_months_summary_agrees_with_the_months_sums_and_is_mailed(
    bank, server, worker, settings: Settings, tmp_path: Path
):
    async with client_of(server) as client:
        await client.sign_up()
        await client.connect()

        async def fetched():
            read = await client.ask(TRANSACTIONS)
            return read["connections"][0]["sync"]["lastSuccessAt"] and read["transactions"]["nodes"]

        await eventually(fetched, 60)
        summary = (await client.ask(SUMMARY))["summary"]
        (month,) = (await client.ask(MONTH, month=summary["first"][:7]))["monthlySpending"]
    (own,) = summary["currencies"]
    (total,) = month["totals"]
    assert own["spent"]["amount"] == total["spent"]
    assert own["received"]["amount"] == total["received"]
    assert own["net"]["amountMinor"] == total["received"]["amountMinor"] - total["spent"]["amountMinor"]
    told = {one["category"]["slug"]: one["spent"]["amount"]["amountMinor"] for one in own["categories"]}
    kept = {
        line["category"]["slug"]: line["spent"]["amountMinor"]
        for line in month["categories"]
        if line["category"]["kind"] == "EXPENSE"
    }
    assert {slug: spent for slug, spent in told.items() if spent} == {
        slug: spent for slug, spent in kept.items() if spent
    }
    assert len(own["merchants"]) == 5
    assert len(own["largestPurchases"]) == 5

    year, following = divmod(int(summary["first"][:4]) * 12 + int(summary["first"][5:7]), 12)
    morning = datetime(year, following + 1, 1, 20, tzinfo=UTC)
    async with open_runtime(settings, role="worker") as runtime:
        await digest_rounds.open_rounds(runtime.system, runtime.perform, lambda: morning)
        await digest_rounds.summarize_due(runtime.system, runtime.perform, lambda: morning)
        # On the first of a month that morning may still be to come, and its mails wait for it.
        async with runtime.system() as conn:
            await conn.execute(
                "UPDATE outbox SET next_attempt_at = now() WHERE state = 'due' AND next_attempt_at > now() + $1", HOUR
            )
        await runtime.queue.enqueue("notify")

    async def monthly():
        messages = [
            message_from_bytes(path.read_bytes(), policy=default_policy) for path in (tmp_path / "mail").glob("*.eml")
        ]
        # Where it is too long for the first line, it begins on the next one, with a space.
        return next((one for one in messages if one["Subject"].strip() == summary["title"]), None)

    message = await eventually(monthly)
    spent = amount_words(total["spent"]["amountMinor"], total["currency"])
    for kind in ("plain", "html"):
        assert spent in message.get_body((kind,)).get_content()
