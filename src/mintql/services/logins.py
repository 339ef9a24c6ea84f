"""Logins at institutions as people enter them: checked against what the institution asks for, and told apart."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Iterable, Mapping, Sequence

from mintql.domain.credentials import CredentialField, CredentialName, Credentials
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import UserId
from mintql.domain.wording import shown
from mintql.gateways.vault import Vault

LENGTHS_MAX: Mapping[str, int] = {CredentialName.URL: 2_048, CredentialName.LOGIN: 200, CredentialName.PASSWORD: 500}
OPTION_LENGTH_MAX = 4_000
"""An option may be a list of accounts; connectors bound each of theirs as their protocol does."""
LOGIN_AND_PASSWORD = (
    CredentialField(CredentialName.URL, "Address", required=False),
    CredentialField(CredentialName.LOGIN, "Login"),
    CredentialField(CredentialName.PASSWORD, "Password", secret=True),
)
"""What institutions ask for that say nothing else."""


def check_credentials(
    url: str,
    login: str,
    password: str,
    options: Iterable[tuple[str, str]] = (),
    fields: Sequence[CredentialField] = LOGIN_AND_PASSWORD,
) -> Credentials:
    """Return the login for an institution that asks for `fields`; empty options are left out.

    An address is taken where none is asked for: it may be the one the institution is known by, which it checks.

    Raises:
        InvalidInput: A part is missing, too long, not asked for, given twice, or holds a control character. `field`
            names the part or the option.
    """
    asked = {field.name: field for field in fields}
    # A token that was copied together with the end of its line has no line end in it.
    parts = {"url": url.strip(), "login": login.strip(), "password": password.strip("\r\n")}
    given = _options(options, asked)
    for name, text in (parts | given).items():
        _check_text(name, text, LENGTHS_MAX.get(name, OPTION_LENGTH_MAX))
    for name in (CredentialName.LOGIN, CredentialName.PASSWORD):
        if parts[name] and name not in asked:
            raise InvalidInput(f"This institution asks for no {name}; leave it out.", field=name)
    for field in fields:
        if field.required and not (parts | given).get(field.name):
            raise InvalidInput(f"{field.label} is missing: this institution needs it.", field=field.name)
    return Credentials(
        parts["url"], parts["login"], parts["password"], {name: text for name, text in given.items() if text}
    )


def _options(options: Iterable[tuple[str, str]], asked: Mapping[str, CredentialField]) -> dict[str, str]:
    known = [name for name in asked if name not in LENGTHS_MAX]
    found: dict[str, str] = {}
    for name, text in options:
        if name not in known:
            rest = f"its options are {', '.join(known)}" if known else "it has no options"
            raise InvalidInput(f"This institution does not ask for {shown(name)}; {rest}.", field="options")
        if name in found:
            raise InvalidInput(f"The option {name} is given twice.", field=name)
        found[name] = text.strip()
    return found


def _check_text(name: str, text: str, length_max: int) -> None:
    if len(text) > length_max:
        raise InvalidInput(f"The {name} has at most {length_max} characters; this one has {len(text)}.", field=name)
    control = next((character for character in text if unicodedata.category(character) == "Cc"), None)
    if control is not None:
        raise InvalidInput(
            f"The {name} holds a character that nobody can type (U+{ord(control):04X}); enter it again.", field=name
        )


def login_hint(login: str) -> str:
    """Return what of a login may be shown, for a person to tell two connections apart."""
    return "…" if len(login) < 4 else f"{login[0]}…{login[-1]}"  # noqa: PLR2004 - less would be most of it


def login_key(
    user_id: UserId,
    institution_id: str,
    credentials: Credentials,
    vault: Vault,
    fields: Sequence[CredentialField] = LOGIN_AND_PASSWORD,
) -> bytes:
    """Return what tells whether two logins of a person are the same; empty where there is no login to tell by.

    `credentials` are those that the institution's connector keeps: a claimed token has become a login in them. Of the
    options those count that identify, as `fields` say; where none is given, the key is that of address and login.
    """
    if not credentials.login:
        return b""
    told_by = sorted(field.name for field in fields if field.identifies and credentials.options.get(field.name))
    parts = [f"{name}={credentials.options[name]}" for name in told_by]
    return vault.fingerprint(str(user_id), institution_id, credentials.url, credentials.login, *parts)


def device_id(user_id: UserId, institution_id: str, credentials: Credentials, vault: Vault) -> str:
    """Return what an institution may know a person's login by as a device: an upper-case UUID, always the same one.

    A new password makes no other device of it, and nobody can tell from it whose it is.
    """
    made = vault.fingerprint("device", str(user_id), institution_id, credentials.url, credentials.login)
    return str(uuid.UUID(bytes=made[:16], version=4)).upper()


def webhook_key(institution_id: str, login: str, vault: Vault) -> bytes:
    """Return by what a webhook finds the connections with a login, whosever they are; empty without one."""
    return vault.fingerprint("webhook", institution_id, login) if login else b""


def link_reference(user_id: UserId, institution_id: str, vault: Vault) -> str:
    """Return the name an institution is told for a person: always the same, and of no meaning to anybody else."""
    return vault.fingerprint("link", institution_id, str(user_id)).hex()
