"""Passwords are hashed as argon2id, a bounded number at a time, and equally long for nobody."""

from __future__ import annotations

import asyncio

from mintql.domain.errors import RateLimited
from mintql.gateways import passwords as module
from mintql.gateways.passwords import Passwords


async def test_a_password_matches_its_own_hash_only():
    passwords = Passwords(1)
    stored = await passwords.hash("correct horse battery")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await passwords.verify(stored, "correct horse battery")
    assert not await passwords.verify(stored, "correct horse batterY")
    assert stored != await passwords.hash("correct horse battery")


async def test_nobody_and_a_broken_hash_match_nothing():
    passwords = Passwords(1)
    assert not await passwords.verify(None, "a password that nobody has")
    assert not await passwords.verify("not a hash", "x")


async def test_the_same_work_is_done_for_an_address_that_nobody_has(monkeypatch):
    passwords = Passwords(1)
    await passwords.verify(None, "warm up")
    checked = []
    real = passwords._matches
    monkeypatch.setattr(passwords, "_matches", lambda stored, word: checked.append(stored) or real(stored, word))
    await passwords.verify(None, "guess")
    assert len(checked) == 1
    assert checked[0].startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_no_more_are_worked_out_at_once_than_allowed(monkeypatch):
    passwords = Passwords(2)
    running, most = 0, 0

    async def to_thread(work):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return work()

    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    await asyncio.gather(*(passwords._in_turn(lambda: None) for _ in range(10)))
    assert most == 2


async def test_a_flood_is_turned_away(monkeypatch):
    monkeypatch.setattr(module, "WAITING_MAX", 3)
    passwords = Passwords(1)
    results = await asyncio.gather(*(passwords._in_turn(lambda: 1) for _ in range(5)), return_exceptions=True)
    assert results[:3] == [1, 1, 1]
    assert [type(result) for result in results[3:]] == [RateLimited, RateLimited]


async def test_a_hash_of_other_parameters_is_outdated():
    passwords = Passwords(1)
    assert not passwords.is_outdated(await passwords.hash("x"))
    weak = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQxMjM0NTY$QmFzZTY0"
    assert passwords.is_outdated(weak)
