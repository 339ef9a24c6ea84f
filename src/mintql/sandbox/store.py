"""What was done to the sandbox bank from outside, kept in one SQLite file: purchases, changes, scenarios."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Lock
from typing import Any

from mintql.sandbox.history import Entry
from mintql.sandbox.people import AccountName

BUSY_SECONDS = 10.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS revoked (token_id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS added (
    login TEXT NOT NULL, entry_id TEXT NOT NULL, account TEXT NOT NULL, day TEXT NOT NULL, settles_on TEXT,
    amount_minor INTEGER NOT NULL, description TEXT NOT NULL, mcc TEXT NOT NULL, second INTEGER NOT NULL,
    PRIMARY KEY (login, entry_id)
);
CREATE TABLE IF NOT EXISTS changes (
    login TEXT NOT NULL, entry_id TEXT NOT NULL, account TEXT NOT NULL, settled_on TEXT, posted_on TEXT,
    amount_minor INTEGER, description TEXT, removed_id TEXT,
    readded INTEGER NOT NULL DEFAULT 0, renamed INTEGER NOT NULL DEFAULT 0, renamed_on TEXT,
    settled_as INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (login, entry_id)
);
CREATE TABLE IF NOT EXISTS renamings (
    login TEXT NOT NULL, account TEXT NOT NULL, number INTEGER NOT NULL, renamed_on TEXT NOT NULL,
    PRIMARY KEY (login, account)
);
CREATE TABLE IF NOT EXISTS notes (
    kind TEXT NOT NULL, key TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (kind, key)
);
CREATE TABLE IF NOT EXISTS scenarios (
    login TEXT NOT NULL, name TEXT NOT NULL, options TEXT NOT NULL, PRIMARY KEY (login, name)
);
"""
_NEWER_COLUMNS = {
    "readded": "INTEGER NOT NULL DEFAULT 0",
    "renamed": "INTEGER NOT NULL DEFAULT 0",
    "renamed_on": "TEXT",
    "settled_as": "INTEGER NOT NULL DEFAULT 0",
}
"""Columns of `changes` that a file of an earlier bank lacks."""


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to one entry; None means: left as it was.

    `settled_on` posts a pending entry on that day, and `settled_as` is which of its names it had then.
    `posted_on` moves it. `removed_id` is the id under which it was seen when it was last taken back; it shows
    again when it was `readded`. `renamed` counts the new ids it got by itself, the last on `renamed_on`.
    """

    entry_id: str
    account: AccountName
    settled_on: date | None = None
    posted_on: date | None = None
    amount_minor: int | None = None
    description: str | None = None
    removed_id: str | None = None
    readded: bool = False
    renamed: int = 0
    renamed_on: date | None = None
    settled_as: int = 0

    @property
    def gone(self) -> bool:
        """Whether it was taken back, and not added again."""
        return self.removed_id is not None and not self.readded


@dataclass(frozen=True, slots=True)
class Renaming:
    """How often the rows of one account got new ids, all of them, and the day of the last time."""

    number: int
    renamed_on: date


class ControlStore:
    """The file. Safe to use from several threads; every method is one short transaction."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        known = {row["name"] for row in self._db.execute("PRAGMA table_info(changes)")}
        for name, kind in _NEWER_COLUMNS.items():
            if name not in known:
                self._db.execute(f"ALTER TABLE changes ADD COLUMN {name} {kind}")
        self._write("INSERT OR IGNORE INTO keys VALUES ('tokens', ?)", (secrets.token_bytes(32),))
        self.token_key: bytes = self._read("SELECT value FROM keys WHERE name = 'tokens'")[0]["value"]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def revoke(self, token_id: str, expires_at: int, now: int) -> None:
        """Refuse this token from now on; forget those that have expired."""
        self._write("DELETE FROM revoked WHERE expires_at < ?", (now,))
        self._write("INSERT OR IGNORE INTO revoked VALUES (?, ?)", (token_id, expires_at))

    def is_revoked(self, token_id: str) -> bool:
        """Tell whether the token was logged out."""
        return bool(self._read("SELECT 1 FROM revoked WHERE token_id = ?", (token_id,)))

    def add(self, login: str, entry: Entry) -> None:
        """Keep a purchase that the history does not know."""
        self._write(
            "INSERT INTO added VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                login,
                entry.entry_id,
                entry.account,
                _text(entry.day),
                _text(entry.settles_on),
                entry.amount_minor,
                entry.description,
                entry.mcc,
                entry.second,
            ),
        )

    def added(self, login: str) -> dict[str, Entry]:
        """Return the purchases added to this login, by entry id."""
        rows = self._read("SELECT * FROM added WHERE login = ? ORDER BY day, entry_id", (login,))
        return {row["entry_id"]: _entry(row) for row in rows}

    def change(self, login: str, change: Change) -> None:
        """Keep the change in place of an earlier one of the same entry."""
        self._write(
            """
            INSERT OR REPLACE INTO changes (login, entry_id, account, settled_on, posted_on, amount_minor, description,
                                            removed_id, readded, renamed, renamed_on, settled_as)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            (
                login,
                change.entry_id,
                change.account,
                _text(change.settled_on),
                _text(change.posted_on),
                change.amount_minor,
                change.description,
                change.removed_id,
                change.readded,
                change.renamed,
                _text(change.renamed_on),
                change.settled_as,
            ),
        )

    def changes(self, login: str) -> dict[str, Change]:
        """Return what was done to entries of this login, by entry id, the latest last."""
        rows = self._read("SELECT * FROM changes WHERE login = ? ORDER BY rowid", (login,))
        return {row["entry_id"]: _change(row) for row in rows}

    def rename(self, login: str, account: AccountName, day: date) -> None:
        """Give all rows of an account new ids from this day on."""
        self._write(
            """
            INSERT INTO renamings VALUES (?, ?, 1, ?)
            ON CONFLICT (login, account) DO UPDATE SET number = number + 1, renamed_on = excluded.renamed_on
            """,
            (login, account, _text(day)),
        )

    def renamings(self, login: str) -> dict[AccountName, Renaming]:
        """Return which accounts' rows got new ids."""
        rows = self._read("SELECT * FROM renamings WHERE login = ?", (login,))
        return {
            AccountName(row["account"]): Renaming(row["number"], date.fromisoformat(row["renamed_on"])) for row in rows
        }

    def set_scenario(self, login: str, name: str, options: Mapping[str, Any]) -> None:
        """Switch a scenario on, or give it other options."""
        self._write("INSERT OR REPLACE INTO scenarios VALUES (?, ?, ?)", (login, name, json.dumps(options)))

    def clear_scenarios(self, login: str, name: str | None = None) -> None:
        """Switch one scenario of this login off, or all."""
        self._write("DELETE FROM scenarios WHERE login = ? AND name = coalesce(?, name)", (login, name))

    def scenarios(self, login: str) -> dict[str, dict[str, Any]]:
        """Return the scenarios that are on, with their options."""
        rows = self._read("SELECT name, options FROM scenarios WHERE login = ?", (login,))
        return {row["name"]: json.loads(row["options"]) for row in rows}

    def keep(self, kind: str, key: str, content: Mapping[str, Any]) -> None:
        """Keep something of one of the protocols: a token it gave out, for instance."""
        self._write("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (kind, key, json.dumps(content)))

    def kept(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return what was kept under this key, None for nothing."""
        rows = self._read("SELECT content FROM notes WHERE kind = ? AND key = ?", (kind, key))
        return json.loads(rows[0]["content"]) if rows else None

    def take(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return what was kept under this key and forget it: of several callers one gets it."""
        rows = self._read("DELETE FROM notes WHERE kind = ? AND key = ? RETURNING content", (kind, key))
        return json.loads(rows[0]["content"]) if rows else None

    def _read(self, query: str, values: Iterable[Any] = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(query, tuple(values)).fetchall()

    def _write(self, query: str, values: Iterable[Any] = ()) -> None:
        with self._lock:
            self._db.execute(query, tuple(values))


def _entry(row: sqlite3.Row) -> Entry:
    day = date.fromisoformat(row["day"])
    return Entry(
        entry_id=row["entry_id"],
        account=AccountName(row["account"]),
        day=day,
        settles_on=_date(row["settles_on"]),
        amount_minor=row["amount_minor"],
        pending_amount_minor=row["amount_minor"],
        description=row["description"],
        mcc=row["mcc"],
        second=row["second"],
    )


def _change(row: sqlite3.Row) -> Change:
    return Change(
        entry_id=row["entry_id"],
        account=AccountName(row["account"]),
        settled_on=_date(row["settled_on"]),
        posted_on=_date(row["posted_on"]),
        amount_minor=row["amount_minor"],
        description=row["description"],
        removed_id=row["removed_id"],
        readded=bool(row["readded"]),
        renamed=row["renamed"],
        renamed_on=_date(row["renamed_on"]),
        settled_as=row["settled_as"],
    )


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None
