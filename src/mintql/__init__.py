"""mintql: a budget tracker as a server.

Layers are folders and import inwards only: cli, app, jobs -> api -> runtime -> services ->
store, gateways, institutions -> data -> domain, settings. ARCHITECTURE.md says why.
"""

__version__ = "0.1.0"
