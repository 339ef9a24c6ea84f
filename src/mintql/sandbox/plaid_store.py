"""What the bank keeps for those who speak Plaid to it: items, tokens, keys, and how rows changed for each item.

Tables of their own in the control file. An item's rows are numbered by when they last changed, so a cursor is
nothing but the number of the last change it has seen.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

BUSY_SECONDS = 10.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS plaid_links (
    link_token TEXT PRIMARY KEY, item_id TEXT, webhook TEXT, days INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, finished_at INTEGER, public_token TEXT
);
CREATE TABLE IF NOT EXISTS plaid_public_tokens (
    public_token TEXT PRIMARY KEY, login TEXT NOT NULL, webhook TEXT, days INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, item_id TEXT
);
CREATE TABLE IF NOT EXISTS plaid_items (
    item_id TEXT PRIMARY KEY, access_token TEXT NOT NULL UNIQUE, login TEXT NOT NULL, webhook TEXT,
    first_day TEXT NOT NULL, login_required INTEGER NOT NULL DEFAULT 0, removed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS plaid_rows (
    item_id TEXT NOT NULL, transaction_id TEXT NOT NULL, account_id TEXT NOT NULL,
    added_at INTEGER NOT NULL, changed_at INTEGER NOT NULL, body TEXT,
    PRIMARY KEY (item_id, transaction_id)
);
CREATE INDEX IF NOT EXISTS plaid_rows_by_change ON plaid_rows (item_id, changed_at);
CREATE TABLE IF NOT EXISTS plaid_mutations (
    item_id TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (item_id, position)
);
CREATE TABLE IF NOT EXISTS plaid_keys (key_id TEXT PRIMARY KEY, private_key BLOB NOT NULL, created_at INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Link:
    """A link session, for `days` of history. Times are Unix times.

    `item_id` is the item that it mends, where it does; `public_token` is what it ended with.
    """

    link_token: str
    item_id: str | None
    webhook: str | None
    days: int
    expires_at: int
    created_at: int
    finished_at: int | None
    public_token: str | None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a public token stands for: a login, the address of its webhooks, the days of history, and its end.

    `item_id` is the item that a visit has mended, where it was that.
    """

    login: str
    webhook: str | None
    days: int
    expires_at: int
    item_id: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A login at the bank that somebody may read from `first_day` on."""

    item_id: str
    access_token: str
    login: str
    webhook: str | None
    first_day: date
    login_required: bool
    removed: bool


@dataclass(frozen=True, slots=True)
class Change:
    """The last change of one row; `body` is None when it was taken back."""

    transaction_id: str
    account_id: str
    added_at: int
    changed_at: int
    body: dict[str, Any] | None


class PlaidStore:
    """The tables. Safe to use from several threads; every method is one transaction on a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._transaction() as db:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            db.row_factory = sqlite3.Row
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        finally:
            db.close()  # Whatever was not committed is rolled back.

    def add_link(self, link: Link) -> None:
        """Keep a link session."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO plaid_links VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)",
                (link.link_token, link.item_id, link.webhook, link.days, link.expires_at, link.created_at),
            )

    def link(self, link_token: str) -> Link | None:
        """Return a link session."""
        with self._transaction() as db:
            row = db.execute("SELECT * FROM plaid_links WHERE link_token = ?", (link_token,)).fetchone()
        return Link(**dict(row)) if row is not None else None

    def finish_link(self, link_token: str, public_token: str, now: int) -> None:
        """Note what a link session ended with; one that mends an item lets it in again."""
        with self._transaction() as db:
            db.execute(
                "UPDATE plaid_links SET public_token = ?, finished_at = ? WHERE link_token = ?",
                (public_token, now, link_token),
            )
            db.execute(
                "UPDATE plaid_items SET login_required = 0"
                " WHERE item_id = (SELECT item_id FROM plaid_links WHERE link_token = ?)",
                (link_token,),
            )

    def add_public_token(self, public_token: str, grant: Grant) -> None:
        """Keep a public token until it is exchanged."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO plaid_public_tokens VALUES (?, ?, ?, ?, ?, ?)",
                (public_token, grant.login, grant.webhook, grant.days, grant.expires_at, grant.item_id),
            )

    def take_public_token(self, public_token: str) -> Grant | None:
        """Return what a public token stands for; it can be taken once."""
        with self._transaction() as db:
            row = db.execute(
                "DELETE FROM plaid_public_tokens WHERE public_token = ?"
                " RETURNING login, webhook, days, expires_at, item_id",
                (public_token,),
            ).fetchone()
        return Grant(**dict(row)) if row is not None else None

    def add_item(self, item_id: str, access_token: str, login: str, webhook: str | None, first_day: date) -> None:
        """Keep an item."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO plaid_items VALUES (?, ?, ?, ?, ?, 0, 0)",
                (item_id, access_token, login, webhook, first_day.isoformat()),
            )

    def item(self, access_token: str) -> Item | None:
        """Return the item that an access token opens."""
        return self._find("access_token", access_token)

    def item_of(self, item_id: str) -> Item | None:
        """Return an item by its id."""
        return self._find("item_id", item_id)

    def _find(self, column: str, value: str) -> Item | None:
        with self._transaction() as db:
            row = db.execute(f"SELECT * FROM plaid_items WHERE {column} = ?", (value,)).fetchone()
        if row is None:
            return None
        return Item(
            item_id=row["item_id"],
            access_token=row["access_token"],
            login=row["login"],
            webhook=row["webhook"],
            first_day=date.fromisoformat(row["first_day"]),
            login_required=bool(row["login_required"]),
            removed=bool(row["removed"]),
        )

    def require_login(self, item_id: str) -> None:
        """Let the item in no more until its person has logged in again."""
        with self._transaction() as db:
            db.execute("UPDATE plaid_items SET login_required = 1 WHERE item_id = ?", (item_id,))

    def remove_item(self, item_id: str) -> None:
        """Forget an item's rows, and remember that there was one."""
        with self._transaction() as db:
            db.execute("UPDATE plaid_items SET removed = 1, webhook = NULL WHERE item_id = ?", (item_id,))
            db.execute("DELETE FROM plaid_rows WHERE item_id = ?", (item_id,))

    def note_rows(self, item_id: str, account_ids: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> int:
        """Compare the rows of these accounts with those last seen; number what changed; return the last number.

        A row that comes back counts as added anew, so whoever saw it go sees it come, and whoever never saw it
        go is told once more of a row they know.
        """
        accounts = set(account_ids)
        with self._transaction() as db:
            found = db.execute("SELECT * FROM plaid_rows WHERE item_id = ?", (item_id,)).fetchall()
            head = max((row["changed_at"] for row in found), default=0)
            known = {row["transaction_id"]: row for row in found}
            values = []
            for row in rows:
                body = json.dumps(row, separators=(",", ":"))
                before = known.pop(row["transaction_id"], None)
                if before is None or before["body"] != body:
                    head += 1
                    added_at = head if before is None or before["body"] is None else before["added_at"]
                    values.append((item_id, row["transaction_id"], row["account_id"], added_at, head, body))
            for before in known.values():
                if before["body"] is not None and before["account_id"] in accounts:
                    head += 1
                    values.append((*tuple(before)[:4], head, None))
            db.executemany("INSERT OR REPLACE INTO plaid_rows VALUES (?, ?, ?, ?, ?, ?)", values)
        return head

    def changes(self, item_id: str, after: int, limit: int) -> list[Change]:
        """Return what changed after this number, in order; not what came and went since."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT * FROM plaid_rows WHERE item_id = ? AND changed_at > ?"
                " AND (body IS NOT NULL OR added_at <= ?) ORDER BY changed_at LIMIT ?",
                (item_id, after, after, limit),
            ).fetchall()
        return [_change(row) for row in rows]

    def mutate_once(self, item_id: str, position: int) -> bool:
        """Return True the first time that a round which began at this number is interrupted, then False."""
        with self._transaction() as db:
            return db.execute("INSERT OR IGNORE INTO plaid_mutations VALUES (?, ?)", (item_id, position)).rowcount == 1

    def signing_key(self) -> tuple[str, bytes] | None:
        """Return (key id, private key) of the key to sign with, if there is one already."""
        with self._transaction() as db:
            row = db.execute("SELECT key_id, private_key FROM plaid_keys").fetchone()
        return (row["key_id"], row["private_key"]) if row is not None else None

    def add_key(self, key_id: str, private_key: bytes, now: int) -> tuple[str, bytes]:
        """Keep a key to sign with, unless there is one; return the one that is kept."""
        with self._transaction() as db:
            row = db.execute("SELECT key_id, private_key FROM plaid_keys").fetchone()
            if row is not None:
                return row["key_id"], row["private_key"]
            db.execute("INSERT INTO plaid_keys VALUES (?, ?, ?)", (key_id, private_key, now))
        return key_id, private_key

    def key(self, key_id: str) -> tuple[bytes, int] | None:
        """Return (private key, when it was made) of a key id."""
        with self._transaction() as db:
            row = db.execute("SELECT * FROM plaid_keys WHERE key_id = ?", (key_id,)).fetchone()
        return (row["private_key"], row["created_at"]) if row is not None else None


def _change(row: sqlite3.Row) -> Change:
    return Change(
        transaction_id=row["transaction_id"],
        account_id=row["account_id"],
        added_at=row["added_at"],
        changed_at=row["changed_at"],
        body=json.loads(row["body"]) if row["body"] is not None else None,
    )
