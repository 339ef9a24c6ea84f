"""People are told of what happens at their bank, on the channels they want, each thing once."""

from __future__ import annotations

import asyncio
import json

import pytest

from mintql.domain.ids import UserId
from mintql.domain.notices import NewNotice, NoticeKind
from mintql.services.effects import Effects
from mintql.services.notices import raise_notices
from mintql.store.locks import lock_users
from support.clients import client_of, eventually, socket_of

INBOX = """
query Inbox($first: Int, $after: Cursor, $unreadOnly: Boolean! = false, $kinds: [NotificationKind!]) {
  unreadNotificationCount
  notifications(first: $first, after: $after, unreadOnly: $unreadOnly, kinds: $kinds) {
    nodes {
      id cursor kind title body readAt amount { amount currency } limit { amount } left { amount }
      category { name } account { name } connection { id status } alert { thresholdPercent }
      transactions { id description amount { amount } }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
FOLLOW = "subscription Told($after: Cursor) { notifications(after: $after) { cursor kind title body } }"
LIMIT = """
mutation Limit($limit: MoneyInput) {
  setLargeTransactionLimit(limit: $limit) {
    ... on NotificationSettingsSuccess { settings { largeTransactionLimit { amount } } } ... on Error { message field }
  }
}
"""
READ = """
mutation Read($ids: [ID!], $upTo: Cursor) {
  markNotificationsRead(ids: $ids, upTo: $upTo) {
    ... on NotificationsSuccess { unreadCount notifications { readAt } } ... on Error { code message field }
  }
}
"""
DISMISS = """
mutation Dismiss($ids: [ID!]!) {
  dismissNotifications(ids: $ids) { ... on NotificationsSuccess { unreadCount } ... on Error { code field } }
}
"""
QUIET = """
mutation Quiet($start: String, $end: String) {
  setQuietHours(start: $start, end: $end) {
    ... on NotificationSettingsSuccess { settings { quietHours { start end } } } ... on Error { code message field }
  }
}
"""
SWITCH = """
mutation Switch($switches: [NotificationSwitchInput!]!) {
  updateNotificationSettings(switches: $switches) {
    ... on NotificationSettingsSuccess { settings { switches { kind channel enabled isDefault } } }
    ... on Error { code message field }
  }
}
"""
REFRESH = "mutation Refresh($id: ID!) { refreshConnection(id: $id) { __typename ... on Error { message } } }"
BEGINNING = "bm90aWZpY2F0aW9uOjA"
"""The cursor before all notifications."""
DOLLARS_200 = {"amount": "200.00", "currency": "USD"}


@pytest.fixture
async def client(bank, server):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


async def refresh(client, owner, connection_id):
    await owner.execute("UPDATE sync_runs SET started_at = started_at - interval '1 minute'")
    assert (await client.ask(REFRESH, id=connection_id))["refreshConnection"]["__typename"] == "ConnectionRunSuccess"


async def of_kind(client, kind):
    found = (await client.ask(INBOX, kinds=[kind]))["notifications"]["nodes"]
    return found[0] if found else None


async def test_a_purchase_at_the_bank_and_a_login_that_expires_reach_the_person(client, bank, owner, worker):
    connection_id = (await client.connect("ada"))["connection"]["id"]
    await eventually(lambda: owner.fetchval("SELECT count(*) FROM sync_runs WHERE state = 'succeeded'"), 60)
    await eventually(lambda: _examined(owner))
    assert await of_kind(client, "LARGE_TRANSACTION") is None, "history is no news"
    assert (await client.ask(LIMIT, limit=DOLLARS_200))["setLargeTransactionLimit"] == {
        "settings": {"largeTransactionLimit": {"amount": "200.00"}}
    }
    purchase = {"amount": "-284.20", "description": "WHOLEFDS MDF 10380"}
    (await bank.control.post("/control/ada/purchases", json=purchase)).raise_for_status()
    await refresh(client, owner, connection_id)
    async with socket_of(client) as socket:
        await socket.subscribe(FOLLOW, after=BEGINNING)
        kinds = set()
        while "LARGE_TRANSACTION" not in kinds and "UNUSUAL_TRANSACTION" not in kinds:
            kinds.add((await socket.next(60))["notifications"]["kind"])
    large = await of_kind(client, "LARGE_TRANSACTION") or await of_kind(client, "UNUSUAL_TRANSACTION")
    assert large["amount"] == {"amount": "284.20", "currency": "USD"}
    assert [item["amount"]["amount"] for item in large["transactions"]] == ["-284.20"]
    assert "284.20 USD" in large["title"]
    assert large["account"]["name"]
    (await bank.control.put("/control/ada/scenario", json={"name": "login_expired"})).raise_for_status()
    await refresh(client, owner, connection_id)
    waiting = await eventually(lambda: of_kind(client, "SYNC_ATTENTION"))
    assert waiting["connection"] == {"id": connection_id, "status": "ACTION_REQUIRED"}
    assert waiting["title"].endswith("your help is needed")
    assert await owner.fetchval("SELECT count(*) FROM notifications WHERE kind = 'sync_attention'") == 1


async def unread_count(client):
    return (await client.ask("{ unreadNotificationCount }"))["unreadNotificationCount"]


async def _examined(owner):
    return await owner.fetchval("SELECT NOT EXISTS (SELECT FROM examinations)")


class Teller:
    """Raises notifications as the pipeline would."""

    def __init__(self, runtime, user_id):
        self.runtime, self.user_id, self.count = runtime, UserId(user_id), 0

    async def tell(self, kind=NoticeKind.BUDGET_EXCEEDED, *, wake=True):
        self.count += 1
        notice = NewNotice(
            self.user_id, kind, f"test {self.count}", f"Number {self.count}", "It happened.",
            amount_minor=12_000, limit_minor=10_000, currency="USD",
        )  # fmt: skip
        async with self.runtime.system() as conn:
            await lock_users(conn, [self.user_id])
            effects = await raise_notices(conn, [notice], self.now)
        if wake:
            await self.runtime.perform(Effects(told=effects.told, changed=effects.changed))


@pytest.fixture
async def teller(client, runtime, owner):
    found = Teller(runtime, await owner.fetchval("SELECT max(user_id) FROM users"))
    found.now = await owner.fetchval("SELECT now()")
    return found


async def test_the_inbox_pages_newest_first_and_is_read_and_dismissed(client, teller):
    for number in range(5):
        await teller.tell(NoticeKind.LARGE_TRANSACTION if number == 2 else NoticeKind.BUDGET_EXCEEDED)
    page = await client.ask(INBOX, first=2)
    newest = page["notifications"]["nodes"]
    assert page["unreadNotificationCount"] == 5
    assert [item["title"] for item in newest] == ["Number 5", "Number 4"]
    assert newest[0]["left"] == {"amount": "-20.00"}
    rest = await client.ask(INBOX, after=page["notifications"]["pageInfo"]["endCursor"])
    older = rest["notifications"]["nodes"]
    assert [item["title"] for item in older] == ["Number 3", "Number 2", "Number 1"]
    assert older[0]["left"] is None, "a large transaction has no budget to be left of"
    assert (await client.ask(READ, ids=[newest[0]["id"]], upTo=older[1]["cursor"]))["markNotificationsRead"] == {
        "unreadCount": 2, "notifications": [{"readAt": (await client.ask(INBOX))["notifications"]["nodes"][0]["readAt"]}]
    }  # fmt: skip
    unread = (await client.ask(INBOX, unreadOnly=True))["notifications"]["nodes"]
    assert [item["title"] for item in unread] == ["Number 4", "Number 3"]
    assert await unread_count(client) == 2
    assert await unread_count(client) == 2, "from the cache"
    assert (await client.ask(DISMISS, ids=[unread[0]["id"]]))["dismissNotifications"] == {"unreadCount": 1}
    assert await unread_count(client) == 1
    await teller.tell()
    assert await unread_count(client) == 2
    titles = [item["title"] for item in (await client.ask(INBOX, after=newest[0]["cursor"]))["notifications"]["nodes"]]
    assert titles == ["Number 3", "Number 2", "Number 1"]


async def test_nobody_reads_or_changes_what_another_is_told(client, teller, server, owner):
    await teller.tell()
    (mine,) = (await client.ask(INBOX))["notifications"]["nodes"]
    async with client_of(server) as other:
        await other.sign_up()
        assert (await other.ask(INBOX))["notifications"]["nodes"] == []
        assert (await other.ask("query Any($id: ID!) { node(id: $id) { id } }", id=mine["id"]))["node"] is None
        for mutation, name in ((READ, "markNotificationsRead"), (DISMISS, "dismissNotifications")):
            refused = (await other.ask(mutation, ids=[mine["id"]]))[name]
            assert (refused["code"], refused["field"]) == ("NOT_FOUND", "ids")
        await other.ask(READ, upTo=mine["cursor"])
        async with socket_of(other) as socket:
            await socket.subscribe(FOLLOW, after=None)
            await teller.tell()
            assert await socket.is_silent(1.5)
    assert await owner.fetchval("SELECT count(*) FROM notifications WHERE read_at IS NOT NULL") == 0


async def test_a_stream_loses_and_repeats_nothing_over_many_cuts(client, teller):
    count, cursor, seen = 40, BEGINNING, []

    async def raise_all():
        for number in range(count):
            await teller.tell(wake=number % 3 != 0)

    raising = asyncio.create_task(raise_all())
    while len(seen) < count:
        async with socket_of(client) as socket:
            await socket.subscribe(FOLLOW, after=cursor)
            for _ in range(min(7, count - len(seen))):
                item = (await socket.next())["notifications"]
                cursor = item["cursor"]
                seen.append(item["title"])
            socket.raw.transport.abort()
    await raising
    assert seen == [f"Number {number}" for number in range(1, count + 1)]


async def test_settings_say_what_was_changed_and_refuse_what_makes_no_sense(client, teller, owner):
    wanted = {"kind": "BUDGET_EXCEEDED", "channel": "EMAIL", "enabled": False}
    result = (await client.ask(SWITCH, switches=[wanted]))["updateNotificationSettings"]
    switches = result["settings"]["switches"]
    assert wanted | {"isDefault": False} in switches
    assert sum(not item["isDefault"] for item in switches) == 1
    await teller.tell()
    assert "email" not in {item["channel"] for item in await owner.fetch("SELECT channel FROM outbox")}
    assert (await client.ask(QUIET, start="22:00", end="07:30"))["setQuietHours"] == {
        "settings": {"quietHours": {"start": "22:00", "end": "07:30"}}
    }
    for given, field in (
        ({"start": "25:00", "end": "07:00"}, "start"),
        ({"start": "22:00"}, "end"),
        ({"start": "22:00", "end": "22:00"}, "end"),
    ):
        refused = (await client.ask(QUIET, **given))["setQuietHours"]
        assert (refused["code"], refused["field"]) == ("INVALID_INPUT", field), json.dumps(refused)
    euros = {"amount": "200.00", "currency": "EUR"}
    assert (await client.ask(LIMIT, limit=euros))["setLargeTransactionLimit"] == {
        "message": "The limit is in EUR, but has to be in USD.", "field": "limit"
    }  # fmt: skip
    assert (await client.ask(QUIET))["setQuietHours"] == {"settings": {"quietHours": None}}
