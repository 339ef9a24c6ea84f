"""GraphiQL, which strawberry's page loads from the internet, with a way out for who has none; in development only."""

from __future__ import annotations

from starlette.responses import HTMLResponse, Response

IDE_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval' https://unpkg.com https://esm.sh; "
    "style-src 'unsafe-inline' https://unpkg.com https://esm.sh; connect-src 'self' https://unpkg.com https://esm.sh; "
    "font-src https: data:; img-src https: data:; worker-src blob:; base-uri 'none'; frame-ancestors 'none'"
)

WAY_OUT = """<style>
  #way-out { margin: 0; padding: .4rem .75rem; font: 14px/1.2 system-ui, sans-serif; height: 2rem; overflow: hidden; }
  #graphiql { height: calc(100vh - 2rem) !important; }
</style>
<p id="way-out">GraphiQL loads its scripts from the internet. Without it, use <a href="/">the try page</a>.</p>
"""


def ide_page(page: str) -> Response:
    """Return the IDE as an answer whose policy lets it load what it needs."""
    response = HTMLResponse(with_way_out(page))
    response.headers["content-security-policy"] = IDE_POLICY
    response.headers["cross-origin-embedder-policy"] = "unsafe-none"
    return response


def with_way_out(page: str) -> str:
    """Return the IDE's page with a link that is shown before, and without, the scripts it waits for."""
    head, script, rest = page.partition("<script")
    rest = rest.replace("</head>", "", 1).replace("<body>", "", 1)
    return f"{head}</head>\n<body>\n{WAY_OUT}{script}{rest}"
