"""Passwords are hashed as argon2id, a bounded number at a time, and equally long for nobody."""

from __future__ import annotations

import asyncio
import time

import argon2

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
    assert not await passwords.verify("", "a password that nobody has")
    assert not await passwords.verify("not a hash", "x")


async def test_the_same_work_is_done_for_nobody_from_the_first_time_on(monkeypatch):
    worked = []
    real = argon2.low_level.verify_secret

    def counting(stored, secret, kind):
        worked.append(argon2.extract_parameters(stored.decode()))
        return real(stored, secret, kind)

    monkeypatch.setattr("argon2._password_hasher.verify_secret", counting)
    passwords = Passwords(1)
    stored = await passwords.hash("correct horse battery")
    await passwords.verify("", "a guess")
    await passwords.verify(stored, "a guess")
    assert worked == [module.PARAMETERS, module.PARAMETERS], "one hash each, at the same cost"


async def test_a_guess_costs_as_much_for_nobody_as_for_somebody():
    """By the time the process works, of which the machine's other work is no part; the cheapest of several."""
    passwords = Passwords(1)
    stored = await passwords.hash("correct horse battery")

    async def cost(of):
        begun = time.process_time()
        assert not await passwords.verify(of, "a wrong password")
        return time.process_time() - begun

    # In turns, so that what else the machine does meets both.
    nobody, somebody = map(min, zip(*[[await cost(of) for of in ("", stored)] for _ in range(3)], strict=True))
    assert 0.6 < nobody / somebody < 1.67


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
