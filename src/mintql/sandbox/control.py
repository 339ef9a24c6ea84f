"""The control API: what happens at the bank, told from outside. For demos and tests, from this machine only."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from ipaddress import ip_address
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mintql.domain.errors import InvalidInput
from mintql.domain.money import parse_minor
from mintql.sandbox.bank import Bank, row_json
from mintql.sandbox.errors import BankError, bad_request
from mintql.sandbox.history import HISTORY_FIRST_DAY, Entry
from mintql.sandbox.ledger import Ledger, Row
from mintql.sandbox.people import CURRENCY, AccountName
from mintql.sandbox.requests import read_json
from mintql.sandbox.scenarios import CHOICES, ONCE, STANDING, read_options

DESCRIPTION_LENGTH_MAX = 500
NEWEST_DAYS = 60
"""How far back a scenario looks for a row to change."""
DEFAULT_RAISE_PERCENT = 10

Handler = Callable[[Request], Awaitable[Response]]
Values = Mapping[str, Any]


def control_routes(bank: Bank) -> list[Route]:
    """Return the routes below `/control/{login}`."""
    control = Control(bank)
    return [
        Route("/purchases", _local(control.add, 201), methods=["POST"]),
        Route("/purchases/{row_id}/post", _local(control.post), methods=["POST"]),
        Route("/purchases/{row_id}/change", _local(control.change), methods=["POST"]),
        Route("/purchases/{row_id}", _local(control.remove), methods=["DELETE"]),
        Route("/scenario", _local(control.scenarios), methods=["GET"]),
        Route("/scenario", _local(control.switch_on), methods=["PUT"]),
        Route("/scenario", _local(control.switch_off), methods=["DELETE"]),
    ]


def _local(action: Callable[[str, Values], Any], status: int = 200) -> Handler:
    """Make a handler of an action on (login, values of path, query and body), for loopback clients only."""

    async def handle(request: Request) -> Response:
        client = request.client.host if request.client else ""
        if not _is_loopback(client):
            raise BankError(403, "not_local", "Control listens to this machine only.")
        body = {} if request.method == "GET" else await read_json(request, optional=True)
        values = {**request.query_params, **body, **request.path_params}
        return JSONResponse(await run_in_threadpool(action, values["login"], values), status_code=status)

    return handle


class Control:
    """The actions. Each returns what the caller is told."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    def add(self, login: str, values: Values) -> dict[str, Any]:
        """Add a purchase, posted or pending."""
        ledger = self._bank.ledger(login)
        name = _choice(values.get("account", "card"), "account")
        moment = self._bank.clock(login)
        today = moment.date()
        day = _day(values["posted_on"], today) if values.get("posted_on") else today
        amount_minor = _amount(values)
        entry = Entry(
            entry_id=f"{ledger.accounts[AccountName(name)].account_id}.added.{secrets.token_hex(6)}",
            account=AccountName(name),
            day=day,
            settles_on=None if values.get("pending", False) is True else day,
            amount_minor=amount_minor,
            pending_amount_minor=amount_minor,
            description=_description(values),
            mcc=str(values.get("mcc") or "")[:4],
            second=moment.hour * 3600 + moment.minute * 60 + moment.second,
        )
        self._bank.store.add(login, entry)
        return self._shown(login, entry)

    def post(self, login: str, values: Values) -> dict[str, Any]:
        """Post a pending row under its own id, today, perhaps with another amount."""
        ledger, row = self._row(login, values["row_id"])
        if not row.pending:
            raise BankError(409, "already_posted", f"{row.row_id} is posted already.")
        amount_minor = _amount(values) if "amount" in values else row.amount_minor
        return self._settle(login, ledger, row, amount_minor)

    def change(self, login: str, values: Values) -> dict[str, Any]:
        """Change amount, description or date of a row; its id stays."""
        ledger, row = self._row(login, values["row_id"])
        if not {"amount", "description", "posted_on"} & set(values):
            raise bad_request("Give `amount`, `description` or `posted_on`.")
        change = ledger.change_of(row.entry)
        if "amount" in values:
            change = replace(change, amount_minor=_amount(values))
        if "description" in values:
            change = replace(change, description=_description(values))
        if "posted_on" in values:
            change = replace(change, posted_on=_day(values["posted_on"], self._bank.today(login)))
        self._bank.store.change(login, change)
        return self._shown(login, row.entry)

    def remove(self, login: str, values: Values) -> dict[str, Any]:
        """Take a row back: it is gone, and named under `removed` from now on."""
        ledger, row = self._row(login, values["row_id"])
        taken_back = replace(ledger.change_of(row.entry), removed_id=row.row_id, readded=False)
        self._bank.store.change(login, taken_back)
        return {"removed": row.row_id}

    def scenarios(self, login: str, values: Values) -> dict[str, Any]:  # noqa: ARG002
        """Tell which scenarios are on."""
        return {"scenarios": self._bank.store.scenarios(login)}

    def switch_on(self, login: str, values: Values) -> dict[str, Any]:
        """Switch a standing scenario on, or let one that happens once happen."""
        name = values.get("name")
        once = {
            "changed_amount": self._raise_amount,
            "removed_row": self._remove_newest,
            "readded_row": self._add_again,
            "pending_to_posted": self._post_pending,
            "changed_ids": self._rename,
        }
        if name in once:
            return once[str(name)](login, values)
        if name not in STANDING:
            raise bad_request(f"`name` must be one of {', '.join([*STANDING, *ONCE])}.")
        self._bank.store.set_scenario(login, name, read_options(name, values))
        return self.scenarios(login, values)

    def switch_off(self, login: str, values: Values) -> dict[str, Any]:
        """Switch one scenario off, or all when none is named."""
        self._bank.store.clear_scenarios(login, values.get("name"))
        return self.scenarios(login, values)

    def _raise_amount(self, login: str, values: Values) -> dict[str, Any]:
        row_id = values.get("id") or self._newest_posted(login).row_id
        _, row = self._row(login, row_id)
        amount = row.amount_minor + row.amount_minor * DEFAULT_RAISE_PERCENT // 100
        change = self._bank.ledger(login).change_of(row.entry)
        amount_minor = _amount(values) if "amount" in values else amount
        self._bank.store.change(login, replace(change, amount_minor=amount_minor))
        return {"changed": [self._shown(login, row.entry)]}

    def _remove_newest(self, login: str, values: Values) -> dict[str, Any]:
        row_id = values.get("id") or self._newest_posted(login).row_id
        return {"removed": [self.remove(login, {"row_id": row_id})["removed"]]}

    def _add_again(self, login: str, values: Values) -> dict[str, Any]:
        """Show a row that was taken back again; without one, take the newest row back and show it again at once."""
        new_id = values.get("new_id", False)
        if not isinstance(new_id, bool):
            raise bad_request("`new_id` must be true or false.")
        ledger = self._bank.ledger(login)
        entry = ledger.find(str(values["id"])) if values.get("id") else ledger.last_removed(AccountName.CARD)
        if entry is None and values.get("id"):
            raise BankError(404, "row_not_found", f"There is no transaction {str(values['id'])[:80]!r}.")
        if entry is None or not ledger.change_of(entry).gone:
            row = self._newest_posted(login) if entry is None else ledger.show(entry)
            if row is None:
                raise BankError(404, "row_not_found", "The transaction has not happened yet.")
            entry = row.entry
            self.remove(login, {"row_id": row.row_id})
        change = replace(self._bank.ledger(login).change_of(entry), readded=True)
        if new_id:
            change = replace(change, renamed=change.renamed + 1, renamed_on=self._bank.today(login))
        self._bank.store.change(login, change)
        return {"removed": [change.removed_id], "changed": [self._shown(login, entry)]}

    def _rename(self, login: str, values: Values) -> dict[str, Any]:
        """Give every row of an account, past and future, another id."""
        name = AccountName(_choice(values.get("account", "card"), "account"))
        self._bank.store.rename(login, name, self._bank.today(login))
        account = self._bank.ledger(login).accounts[name]
        return {"changed_ids": account.account_id}

    def _post_pending(self, login: str, values: Values) -> dict[str, Any]:
        percent = values.get("percent", 0)
        if not isinstance(percent, int) or not 0 <= percent <= 100:  # noqa: PLR2004
            raise bad_request("`percent` must be a whole number from 0 to 100.")
        ledger = self._bank.ledger(login)
        rows = [self._row(login, values["id"])[1]] if values.get("id") else self._recent(login, ledger)
        changed = [
            self._settle(login, ledger, row, row.amount_minor + row.amount_minor * percent // 100)
            for row in rows
            if row.pending
        ]
        return {"changed": changed}

    def _settle(self, login: str, ledger: Ledger, row: Row, amount_minor: int) -> dict[str, Any]:
        change = replace(
            ledger.change_of(row.entry),
            settled_on=self._bank.today(login),
            settled_as=ledger.name_number(row.entry),
            amount_minor=amount_minor,
        )
        self._bank.store.change(login, change)
        return self._shown(login, row.entry)

    def _newest_posted(self, login: str) -> Row:
        rows = [
            row for row in self._recent(login, self._bank.ledger(login)) if not row.pending and row.amount_minor < 0
        ]
        if not rows:
            raise BankError(404, "row_not_found", "There is no posted purchase on the card to change.")
        return rows[-1]

    def _recent(self, login: str, ledger: Ledger) -> list[Row]:
        today = self._bank.today(login)
        return ledger.rows(AccountName.CARD, today - timedelta(days=NEWEST_DAYS), today)

    def _row(self, login: str, row_id: object) -> tuple[Ledger, Row]:
        ledger = self._bank.ledger(login)
        entry = ledger.find(str(row_id))
        row = ledger.show(entry) if entry is not None else None
        if row is None:
            raise BankError(404, "row_not_found", f"There is no transaction {str(row_id)[:80]!r}.")
        return ledger, row

    def _shown(self, login: str, entry: Entry) -> dict[str, Any]:
        row = self._bank.ledger(login).show(entry)
        if row is None:  # Only an entry that was removed meanwhile.
            raise BankError(404, "row_not_found", "The transaction was removed.")
        account = self._bank.ledger(login).accounts[entry.account]
        return {"account": account.account_id, **row_json(row, self._bank.zone(login))}


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _amount(values: Values) -> int:
    try:
        return parse_minor(str(values.get("amount", "")), CURRENCY)
    except InvalidInput as error:
        raise bad_request(f"`amount`: {error.message}") from None


def _description(values: Values) -> str:
    text = str(values.get("description") or "").strip()
    if not 1 <= len(text) <= DESCRIPTION_LENGTH_MAX:
        raise bad_request(f"`description` must have 1 to {DESCRIPTION_LENGTH_MAX} characters.")
    return text


def _choice(value: object, name: str) -> str:
    if value not in CHOICES[name]:
        raise bad_request(f"`{name}` must be one of {', '.join(CHOICES[name])}.")
    return str(value)


def _day(text: object, today: date) -> date:
    try:
        day = date.fromisoformat(str(text))
    except ValueError:
        raise bad_request("`posted_on` must be a date written YYYY-MM-DD.") from None
    if not HISTORY_FIRST_DAY <= day <= today:
        raise bad_request(f"`posted_on` must be from {HISTORY_FIRST_DAY} to {today}.")
    return day
