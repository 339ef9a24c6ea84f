"""Circuit breakers and bulkheads of the guarded client: a dead bank is left alone, and takes no more than its share."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging

import pytest

from mintql.domain.errors import InstitutionDown, InvalidInput, ProtocolError
from mintql.gateways.http import Bounds, Surroundings, open_http
from mintql.gateways.http_circuits import CircuitBounds, Circuits
from mintql.gateways.http_retries import Retries
from mintql.settings import Settings
from support.clients import eventually
from support.http_server import ONCE, Time, read_request, reply, resolving, serve, serve_raw

OK = reply("200 OK", b"rows")
DEAD = reply("503 Sorry", b"sorry")
FAILURES = CircuitBounds().failures_max
SLOW_SECONDS = 30
FIRST, LONGEST = CircuitBounds().pause_seconds_first, CircuitBounds().pause_seconds_max


def client_in(time: Time, server, bounds: Bounds = ONCE):
    return open_http(server.allowing, bounds=bounds, surroundings=time.surroundings())


def bounds(**limits) -> Bounds:
    return Bounds(retries=Retries(attempts_max=1), circuits=CircuitBounds(**limits))


async def ask(client, server, times: int = 1, **options) -> list[int | str]:
    """The statuses of so many requests one after the other, or the codes of failures."""
    answers: list[int | str] = []
    for _ in range(times):
        try:
            answers.append((await client.request("GET", f"{server.url}/", **options)).status)
        except (InstitutionDown, ProtocolError, InvalidInput) as failure:
            answers.append(failure.code)
    return answers


async def test_after_failures_in_a_row_it_is_not_asked_until_the_time_that_is_told():
    time = Time(die=0.999_999)
    async with serve(*[DEAD] * FAILURES, OK) as server, client_in(time, server) as client:
        assert await ask(client, server, FAILURES) == [503] * FAILURES
        with pytest.raises(InstitutionDown) as refusal:
            await client.request("GET", f"{server.url}/", called="The Bank")
        assert refusal.value.retry_at == pytest.approx(
            time.now + dt.timedelta(seconds=FIRST), abs=dt.timedelta(seconds=0.1)
        )
        assert refusal.value.message == (
            f"The Bank has not answered {FAILURES} times in a row; it is asked again at 2026-03-01 12:00:09 UTC."
        )
        assert len(server.seen) == FAILURES
        time.go_on(FIRST)
        assert await ask(client, server, 3) == [200, 200, 200]


async def test_an_answer_in_between_begins_the_count_anew():
    time = Time()
    replies = [*[DEAD] * (FAILURES - 1), OK] * 3
    async with serve(*replies) as server, client_in(time, server) as client:
        assert "INSTITUTION_DOWN" not in await ask(client, server, len(replies))


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 408, 422, 429])
async def test_no_other_answer_opens_it(status):
    time = Time()
    async with serve(reply(f"{status} No")) as server, client_in(time, server) as client:
        assert await ask(client, server, FAILURES * 3) == [status] * FAILURES * 3
        assert len(server.seen) == FAILURES * 3


async def test_answers_out_of_bounds_and_refused_addresses_do_not_open_it():
    time = Time()
    async with serve(reply("200 OK", b"12345")) as server, client_in(time, server) as client:
        assert await ask(client, server, FAILURES * 2, body_limit_bytes=4) == ["PROTOCOL_ERROR"] * FAILURES * 2
    around = Surroundings(resolver=resolving({"inside.example": ["10.0.0.1"]}))
    async with open_http(Settings(), surroundings=around) as client:
        for _ in range(FAILURES * 2):
            with pytest.raises(InvalidInput):
                await client.request("GET", "https://inside.example/")


@pytest.mark.parametrize("kind", ["hangs up", "is not there", "is silent", "takes too long"])
async def test_every_kind_of_no_answer_opens_it(kind):
    time = Time()
    asked = 0

    async def answer(reader, writer):
        nonlocal asked
        await read_request(reader)
        asked += 1
        if kind in ("is silent", "takes too long"):
            await asyncio.sleep(5)

    async with serve_raw(answer) as port, serve() as server:
        server.port = 1 if kind == "is not there" else port
        limits = Bounds(retries=Retries(attempts_max=1), read_seconds=0.03 if kind == "is silent" else 5)
        async with client_in(time, server, limits) as client:
            for number in range(FAILURES + 3):
                with pytest.raises(InstitutionDown) as outage:
                    await client.request("GET", f"{server.url}/", deadline_seconds=0.03 if "long" in kind else 5)
                assert (outage.value.retry_at is not None) == (number >= FAILURES)
        if kind in ("hangs up", "is silent"):  # Which both begin when the request has gone out.
            await eventually(lambda: asked == FAILURES)
    assert asked <= (0 if kind == "is not there" else FAILURES)


async def test_each_attempt_counts_and_an_open_circuit_ends_the_attempts():
    time = Time()
    async with serve(DEAD) as server, client_in(time, server, Bounds(retries=Retries(attempts_max=3))) as client:
        assert await ask(client, server, 3) == [503, 503, "INSTITUTION_DOWN"]
    assert len(server.seen) == FAILURES


async def test_pauses_grow_to_a_bound_and_are_shortened_at_random():
    for die, share in ((0.0, 0.5), (0.999_999, 1.0)):
        time = Time(die=die)
        pauses = []
        async with serve(DEAD) as server, client_in(time, server) as client:
            await ask(client, server, FAILURES)
            for _ in range(8):
                with pytest.raises(InstitutionDown) as refusal:
                    await client.request("GET", f"{server.url}/")
                pauses.append((refusal.value.retry_at - time.now).total_seconds())
                time.now = refusal.value.retry_at
                assert await ask(client, server) == [503]
        grown = [min(LONGEST, FIRST * 2**number) * share for number in range(8)]
        assert pauses == pytest.approx(grown, rel=0.001)


async def test_once_it_is_closed_pauses_are_short_again():
    time = Time(die=0.999_999)
    replies = [*[DEAD] * (FAILURES + 2), OK, *[DEAD] * FAILURES]
    async with serve(*replies) as server, client_in(time, server) as client:
        await ask(client, server, FAILURES)
        for _ in range(2):
            time.go_on(LONGEST)
            assert await ask(client, server, 2) == [503, "INSTITUTION_DOWN"]
        time.go_on(LONGEST)
        assert await ask(client, server, FAILURES + 2) == [200, *[503] * FAILURES, "INSTITUTION_DOWN"]
        time.go_on(FIRST)
        assert await ask(client, server) == [503]


async def test_one_probe_goes_through_while_the_others_are_told_to_come_back():
    time = Time()
    probing, answering = asyncio.Event(), asyncio.Event()
    asked = 0

    async def answer(reader, writer):
        nonlocal asked
        await read_request(reader)
        asked += 1
        if asked > FAILURES:
            probing.set()
            await answering.wait()
            writer.write(OK)

    async with serve_raw(answer) as port, serve() as server:
        server.port = port
        async with client_in(time, server) as client:
            await ask(client, server, FAILURES)
            time.go_on(FIRST)
            probe = asyncio.create_task(ask(client, server))
            await probing.wait()
            with pytest.raises(InstitutionDown) as refusal:
                await client.request("GET", f"{server.url}/")
            assert refusal.value.retry_at > time.now
            assert asked == FAILURES + 1
            answering.set()
            assert await probe == [200]
            assert await ask(client, server, 2) == [200, 200]


async def test_a_probe_that_is_given_up_lets_another_one_go():
    time = Time()
    probing = asyncio.Event()
    asked = 0

    async def answer(reader, writer):
        nonlocal asked
        await read_request(reader)
        asked += 1
        if asked == FAILURES + 1:
            probing.set()
            await asyncio.sleep(5)
        if asked > FAILURES:
            writer.write(OK)

    async with serve_raw(answer) as port, serve() as server:
        server.port = port
        async with client_in(time, server) as client:
            await ask(client, server, FAILURES)
            time.go_on(FIRST)
            probe = asyncio.create_task(ask(client, server))
            await probing.wait()
            probe.cancel()
            await asyncio.wait([probe])
            assert await ask(client, server) == [200]


async def test_a_clock_that_is_set_back_does_not_keep_it_open():
    time = Time()
    async with serve(*[DEAD] * FAILURES, OK) as server, client_in(time, server) as client:
        await ask(client, server, FAILURES)
        time.go_on(-86_400)
        assert await ask(client, server) == [200]


async def test_origins_have_circuits_of_their_own_and_share_one_by_its_name():
    time = Time()
    async with serve(DEAD) as dead, serve(OK) as fine:
        here = Settings(sandbox_url=dead.url)
        async with open_http(here, bounds=ONCE, surroundings=time.surroundings()) as client:
            assert await ask(client, dead, FAILURES + 1) == [*[503] * FAILURES, "INSTITUTION_DOWN"]
            assert await ask(client, dead, FAILURES + 1, circuit="plaid") == [*[503] * FAILURES, "INSTITUTION_DOWN"]
            assert await ask(client, dead, circuit="another") == [503]
        async with client_in(time, fine) as client:
            assert await ask(client, fine) == [200]


async def test_opening_and_closing_is_logged_by_name_alone(caplog):
    caplog.set_level(logging.INFO, logger="mintql")
    time = Time()
    async with serve(*[DEAD] * FAILURES, OK) as server, client_in(time, server) as client:
        for _ in range(FAILURES):
            await client.request("GET", f"{server.url}/secret?secret", circuit="secret", called="The Bank")
        time.go_on(FIRST)
        await client.request("GET", f"{server.url}/secret", circuit="secret", called="The Bank")
    assert f"The Bank is not asked for 7.5 s after {FAILURES} failures" in caplog.text
    assert "The Bank answers again" in caplog.text
    assert "secret" not in caplog.text


async def test_no_more_requests_run_at_once_than_allowed():
    running, most = 0, 0
    full = asyncio.Event()

    async def count(reader, writer):
        nonlocal running, most
        await reader.readuntil(b"\r\n\r\n")
        running, most = running + 1, max(most, running + 1)
        if running == expected:
            full.set()
        await full.wait()
        await asyncio.sleep(0.02)  # For one too many to come.
        running -= 1
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    for limits, expected in (({"requests_at_once": 2}, 2), ({"requests_at_once": 5, "requests_at_once_total": 3}, 3)):
        most = 0
        full.clear()
        async with serve_raw(count) as port, serve() as server:
            server.port = port
            async with client_in(Time(), server, bounds(**limits)) as client:
                await asyncio.gather(*(ask(client, server) for _ in range(8)))
        assert most == expected


async def test_a_slow_bank_leaves_room_for_the_others():
    both = asyncio.Event()
    slowly = 0

    async def answer(reader, writer):
        nonlocal slowly
        request = await read_request(reader)
        if request.target == "/slow":
            slowly += 1
            if slowly == 2:
                both.set()
            await asyncio.sleep(SLOW_SECONDS)
        writer.write(OK)

    async with serve_raw(answer) as port, serve() as server:
        server.port = port
        async with client_in(Time(), server, bounds(requests_at_once=2, requests_at_once_total=3)) as client:
            held = [asyncio.create_task(client.request("GET", f"{server.url}/slow", circuit="slow")) for _ in range(5)]
            await both.wait()
            assert await asyncio.wait_for(ask(client, server, 5, circuit="other"), SLOW_SECONDS / 2) == [200] * 5
            for task in held:
                task.cancel()
            await asyncio.wait(held)
    assert slowly == 2


async def test_whoever_waits_for_a_turn_too_long_is_told_so_and_the_bank_is_not_blamed():
    asked, answering = asyncio.Event(), asyncio.Event()

    async def slow(reader, writer):
        await read_request(reader)
        asked.set()
        await answering.wait()
        writer.write(OK)

    time = Time()
    async with serve_raw(slow) as port, serve() as server:
        server.port = port
        async with client_in(time, server, bounds(requests_at_once=1, turn_seconds=0.05, failures_max=1)) as client:
            first = asyncio.create_task(ask(client, server))
            await asked.wait()
            with pytest.raises(InstitutionDown, match="too many other requests are under way") as refusal:
                await client.request("GET", f"{server.url}/")
            assert refusal.value.retry_at >= time.now
            answering.set()
            assert await first == [200]
            assert await ask(client, server) == [200]


async def test_those_who_wait_for_a_dead_bank_are_told_at_once_when_it_turns_out_dead():
    asked = 0

    async def silent(reader, writer):
        nonlocal asked
        await read_request(reader)
        asked += 1
        await asyncio.sleep(30)

    async with serve_raw(silent) as port, serve() as server:
        server.port = port
        async with client_in(Time(), server, bounds(requests_at_once=FAILURES)) as client:
            began = asyncio.get_running_loop().time()
            answers = await asyncio.gather(*(ask(client, server, deadline_seconds=0.2) for _ in range(200)))
            assert asyncio.get_running_loop().time() - began < 5
    assert answers == [["INSTITUTION_DOWN"]] * 200
    assert asked < 2 * FAILURES  # As slots come free one by one, some begin before the last failure that it takes.


async def test_only_so_many_circuits_are_remembered_and_none_that_is_in_use_is_forgotten():
    time = Time()
    circuits = Circuits(CircuitBounds(circuits_max=3), time.clock, lambda: 0.5)
    async with circuits.turn("used", "Used") as used:
        for number in range(10):
            async with circuits.turn(f"https://{number}.example", "X"):
                pass
        assert len(circuits) == 3
        async with circuits.turn("used", "Used") as again:
            assert again is used
    for number in range(10):
        async with circuits.turn(f"https://{number}.example", "X"):
            pass
    async with circuits.turn("used", "Used") as fresh:
        assert fresh is not used
    assert len(circuits) == 3
