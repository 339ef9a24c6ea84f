"""Where a request came from is kept within bounds, and every act has words."""

from __future__ import annotations

from mintql.domain import audit
from mintql.domain.audit import origin_of, words_of


def test_an_origin_is_an_address_and_printable_words_within_their_bounds():
    assert origin_of("203.0.113.7", "Firefox") == audit.Origin("203.0.113.7", "Firefox")
    assert origin_of("fe80::1%eth0", "a\tb\x00c\n").address == "fe80::1"
    assert origin_of("fe80::1", "a\tb\x00c\n").user_agent == "abc"
    assert len(origin_of(None, "x" * 5_000).user_agent) == audit.USER_AGENT_LENGTH_MAX
    assert origin_of("/run/api.sock", None) == audit.NOWHERE


def test_every_act_that_has_a_name_has_words_and_others_get_some():
    named = {value for name, value in vars(audit).items() if name.isupper() and isinstance(value, str)}
    assert len(named) > 10
    assert named <= set(audit.WORDS)
    assert words_of("something_new") == "Something new."
