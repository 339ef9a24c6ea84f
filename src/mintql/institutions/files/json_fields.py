"""Taking values out of JSON that a person or an older version wrote, each checked and named when it cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mintql.domain.errors import InvalidInput
from mintql.domain.money import check_currency_form
from mintql.domain.wording import shown
from mintql.institutions.files.decoding import codec_of


class JsonFields:
    """A JSON object's fields, taken one by one; `no_others` then refuses what nothing asked for."""

    def __init__(self, value: object, within: str) -> None:
        if not isinstance(value, dict):
            raise InvalidInput(f"{shown(value)} is no object with fields.", field=within or None)
        self._values: dict[object, Any] = dict(value)
        self._within = within

    def name(self, field: str) -> str:
        """Return the full name of a field."""
        return f"{self._within}.{field}" if self._within else field

    def take(self, field: str) -> Any:
        """Return a field's value, None where there is none."""
        return self._values.pop(field, None)

    def choice(self, field: str, choices: Sequence[str], *, default: str | None = None) -> str:
        """Return one of these texts; without a default it has to be there."""
        value = self.take(field)
        if value is None and default is not None:
            return default
        if isinstance(value, str) and value in choices:
            return value
        known = ", ".join(repr(choice) for choice in map(str, choices))
        raise InvalidInput(f"{shown(value)} is not among {known}.", field=self.name(field))

    def flag(self, field: str) -> bool | None:
        """Return yes, no, or None where nothing is said."""
        value = self.take(field)
        if value is None or isinstance(value, bool):
            return value
        raise InvalidInput(f"{shown(value)} is neither true nor false.", field=self.name(field))

    def number(self, field: str, most: int, *, least: int = 0) -> int | None:
        """Return a whole number within bounds, None where nothing is said."""
        value = self.take(field)
        return None if value is None else self._number(value, field, most, least)

    def numbers(self, field: str, most: int) -> tuple[int, ...]:
        """Return whole numbers below `most`, at the most as many."""
        return tuple(self._number(value, field, most - 1, 0) for value in self._list(field, most))

    def texts(self, field: str, count_max: int, length_max: int) -> tuple[str, ...]:
        """Return texts of bounded count and length."""
        values = self._list(field, count_max)
        for value in values:
            if not isinstance(value, str) or len(value) > length_max:
                raise InvalidInput(
                    f"{shown(value)} is no text of at the most {length_max} characters.", field=self.name(field)
                )
        return tuple(values)

    def encoding(self, field: str) -> str:
        """Return an encoding by Python's name, "" where nothing is said."""
        value = self.take(field)
        codec = codec_of(value) if isinstance(value, str) else ""
        if value in (None, "") or codec:
            return codec
        raise InvalidInput(
            f"{shown(value)} is no encoding that is read; say e.g. utf-8, cp1252 or gb18030.", field=self.name(field)
        )

    def currency(self, field: str) -> str:
        """Return a currency's code, "" where nothing is said."""
        value = self.take(field)
        if value in (None, ""):
            return ""
        if not isinstance(value, str):
            raise InvalidInput(f"{shown(value)} is no currency; say e.g. USD.", field=self.name(field))
        return check_currency_form(value, field=self.name(field))

    def no_others(self) -> None:
        """Refuse fields that nothing asked for."""
        for field in self._values:
            raise InvalidInput(f"There is no field {shown(field)} here.", field=self.name(str(field)[:40]))

    def _list(self, field: str, count_max: int) -> list[Any]:
        values = self.take(field)
        if values is None:
            return []
        if not isinstance(values, list) or len(values) > count_max:
            raise InvalidInput(f"{shown(values)} is no list of at the most {count_max}.", field=self.name(field))
        return values

    def _number(self, value: object, field: str, most: int, least: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidInput(f"{shown(value)} is no whole number from {least} to {most}.", field=self.name(field))
        return value
