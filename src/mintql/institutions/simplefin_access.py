"""Setup tokens and access URLs: what a person pastes, and what is kept of it.

A setup token is a URL in base64. A POST to that URL gives, once, the access URL: the server's address with
login and password in it (https://www.simplefin.org/protocol.html, "Claim the Access URL").
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from mintql.domain.errors import InvalidInput

URL_LENGTH_MAX = 2_000

_SPACE = re.compile(r"\s+")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOKS = (
    "A setup token is one long word of letters and digits, such as aHR0cHM6Ly9icmlkZ2Uuc2ltcGxlZmluLm9yZy9...; "
    "make one at your SimpleFIN server and copy the whole of it."
)


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """Where a SimpleFIN server is, without a slash at its end, and how to log in there."""

    url: str
    login: str
    password: str

    @property
    def host(self) -> str:
        """The server's name, for messages."""
        return urlsplit(self.url).hostname or ""

    def __repr__(self) -> str:
        return f"Access(host={self.host!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Claim:
    """Where an access URL can be claimed. The address is a secret: who has it first gets the access."""

    url: str

    @property
    def host(self) -> str:
        """The server's name, for messages."""
        return urlsplit(self.url).hostname or ""

    def __repr__(self) -> str:
        return f"Claim(host={self.host!r})"


def read_pasted(pasted: str, allowed_url: str = "") -> Claim | Access:
    """Return what was pasted: a setup token, the claim URL inside one, or an access URL.

    Addresses have to be https, but at the origin of `allowed_url`.

    Raises:
        InvalidInput: It is none of these; the message says what a token looks like, and repeats nothing of it.
    """
    compact = _SPACE.sub("", pasted)
    url = compact if "://" in compact else _decode(compact)
    parts = _split(url)
    if parts is None:
        raise InvalidInput(f"This is no setup token. {_LOOKS}", field="password")
    if "@" in parts.netloc:
        return read_access_url(url, allowed_url)
    if "://" in compact and "/claim/" not in parts.path:
        raise InvalidInput(
            "This address has no login and password in it, so it is no access URL. Paste a setup token instead. "
            + _LOOKS,
            field="password",
        )
    _check_scheme(parts, allowed_url)
    return Claim(url)


def read_access_url(url: str, allowed_url: str = "") -> Access:
    """Return an access URL taken apart.

    Raises:
        InvalidInput: It is none, or would send login and password over an open line.
    """
    parts = _split(url)
    userinfo, _, place = parts.netloc.rpartition("@") if parts is not None else ("", "", "")
    login, colon, password = userinfo.partition(":")
    if parts is None or not login or not colon:
        raise InvalidInput(
            "This is no access URL: it looks like https://login:password@bridge.example/simplefin.", field="password"
        )
    _check_scheme(parts, allowed_url)
    address = parts._replace(netloc=place, query="", fragment="").geturl().rstrip("/")
    return Access(address, unquote(login), unquote(password))


def is_allowed(url: str, allowed_url: str) -> bool:
    """Tell whether login and password may be sent to this address: by https, or to the one allowed origin."""
    parts = _split(url)
    return parts is not None and (parts.scheme == "https" or _origin(parts) == _origin(_split(allowed_url)))


def _check_scheme(parts: SplitResult, allowed_url: str) -> None:
    if not is_allowed(parts.geturl(), allowed_url):
        raise InvalidInput(
            f"The address of {parts.hostname} must begin with https://; ask whoever runs this server for a token "
            "that does.",
            field="password",
        )


def _decode(token: str) -> str:
    """Return the text in a base64 text of either alphabet, with or without its padding; nothing if there is none."""
    padded = token.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True).decode("ascii").strip()
    except (binascii.Error, ValueError):
        return ""


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL that leads to a server by HTTP; None for anything else."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    printable = url.isascii() and url.isprintable() and " " not in url
    return parts if fits and printable and len(url) <= URL_LENGTH_MAX else None


def _origin(parts: SplitResult | None) -> tuple[str, str | None, int | None] | None:
    if parts is None:
        return None
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)
