"""The bank's own pages, on which a person logs in for a link session: one form, and what came of it."""

from __future__ import annotations

from html import escape

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sandbox Bank</title>
<style>body{{font:16px/1.5 sans-serif;max-width:26em;margin:4em auto;padding:0 1em}}
input,button{{font:inherit;display:block;width:100%;box-sizing:border-box;margin:.2em 0 1em;padding:.4em}}
code{{word-break:break-all}}</style></head>
<body><h1>Sandbox Bank</h1>{content}</body></html>
"""
_FORM = """<p>An application asks to read your accounts. Log in to let it.</p>{complaint}
<form method="post"><label>Login<input name="login" required maxlength="128" autocomplete="off" value="{login}"></label>
<label>Password<input name="password" type="password" required autocomplete="off"></label>
<button>Let it read my accounts</button></form>
<p>Any login will do; the password is the word <code>sandbox</code>.</p>"""


def form(*, login: str = "", complaint: str = "") -> str:
    """Return the form, after a vain attempt with the login that was given and what was wrong."""
    said = f"<p><strong>{escape(complaint)}</strong></p>" if complaint else ""
    return _PAGE.format(content=_FORM.format(complaint=said, login=escape(login, quote=True)))


def success(public_token: str) -> str:
    """Return the page that ends a visit."""
    return _PAGE.format(
        content=f"<p>You are logged in. Go back to the application, and give it this token if it asks for one:</p>"
        f'<p><code id="public_token">{escape(public_token)}</code></p>'
    )


def gone() -> str:
    """Return the page of a link session that is over or never was."""
    return _PAGE.format(content="<p>This visit has ended, or never began. Open a new link session.</p>")
