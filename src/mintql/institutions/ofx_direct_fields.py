"""What a person is asked for to reach an OFX server, and what of it may go into a request."""

from __future__ import annotations

import re
from dataclasses import replace

from mintql.domain.errors import InvalidInput
from mintql.institutions.base import CredentialField, Credentials
from mintql.institutions.ofx_direct_answers import typed_accounts
from mintql.institutions.ofx_direct_request import SignOn, check_value

APP_ID, APP_VERSION = "QWIN", "2700"
"""Quicken for Windows, 2017: most servers answer only programs that they know, and all know this one."""
VERSION_DEFAULT = 103
URL_OPTION = "url:"
"""Before the name of a message set: the address that the profile gives for it. Kept with the login, not asked for."""

FIELDS = (
    CredentialField(
        "url", "OFX address", help="Your institution's OFX Direct Connect server, beginning with https://."
    ),
    CredentialField("login", "Login", help="The user id for Direct Connect; some institutions give one of its own."),
    CredentialField("password", "Password or PIN", secret=True),
    # Processors answer for many banks at one address, and ORG and FID say which is meant.
    CredentialField(
        "org", "ORG", required=False, help="The institution's name in OFX, where it wants one.", identifies=True
    ),
    CredentialField(
        "fid", "FID", required=False, help="The institution's number in OFX, where it wants one.", identifies=True
    ),
    CredentialField(
        "clientuid", "Client id", required=False, help="CLIENTUID: one that you registered before; else one is made."
    ),
    CredentialField(
        "accounts",
        "Accounts",
        required=False,
        help="Only where the institution tells none: bank id/number/CHECKING, a card's number alone, "
        "broker id/number; commas between them.",
    ),
    CredentialField(
        "version", "OFX version", required=False, help="Such as 103 (SGML) or 203 (XML); found out unless given."
    ),
    CredentialField("appid", "APPID", required=False, help=f"The program to name; {APP_ID} unless given."),
    CredentialField("appver", "APPVER", required=False, help=f"Its version; {APP_VERSION} unless given."),
)

_REQUIRED_LENGTH_MAX = {"url": 2048, "login": 171, "password": 171}
"""OFX gives USERPASS 171 characters, and USERID 32, which institutions that use e-mail addresses exceed."""
_OPTIONS_LENGTH_MAX = {
    "org": 32, "fid": 32, "clientuid": 36, "accounts": 4000, "version": 3, "appid": 5, "appver": 4,
}  # fmt: skip
_VERSION = re.compile(r"[12]\d\d", re.ASCII)


def read_fields(credentials: Credentials) -> Credentials:
    """Return the credentials with every value checked, and of the options only those that a person gives.

    Raises:
        InvalidInput: A value is missing, too long, or can stand in no request.
    """
    values = {
        name: check_value(value, name, _REQUIRED_LENGTH_MAX[name])
        for name, value in (("url", credentials.url), ("login", credentials.login), ("password", credentials.password))
    }
    for name, value in values.items():
        if not value:
            raise InvalidInput(f"Give the {name}; OFX Direct Connect cannot do without.", field=name)
    options = {
        name: check_value(credentials.options.get(name, ""), name, length_max)
        for name, length_max in _OPTIONS_LENGTH_MAX.items()
    }
    if options["version"] and not _VERSION.fullmatch(options["version"]):
        raise InvalidInput(f"{options['version']!r} is no version of OFX; write it like 103 or 203.", field="version")
    if options["fid"] and not options["org"]:
        raise InvalidInput("Give ORG too where you give FID; OFX takes neither FID without it.", field="org")
    typed_accounts(options["accounts"])
    return replace(credentials, **values, options={name: value for name, value in options.items() if value})


def sign_on_of(credentials: Credentials) -> SignOn:
    """Return who signs on."""
    options = credentials.options
    return SignOn(
        login=credentials.login,
        password=credentials.password,
        org=options.get("org", ""),
        fid=options.get("fid", ""),
        app_id=options.get("appid") or APP_ID,
        app_version=options.get("appver") or APP_VERSION,
        client_id=options.get("clientuid", ""),
    )
