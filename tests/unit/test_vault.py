"""A sealed secret opens in its own row, with its own key, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.credentials import Credentials
from mintql.domain.ids import ConnectionId, UserId, WebhookEndpointId
from mintql.gateways.vault import Sealed, SecretUnreadable, Vault

KEY_1, KEY_2 = b"1" * 32, b"2" * 32
USER, CONNECTION = UserId(7), ConnectionId(40)
SECRET = Credentials(url="https://bank.example", login="ada", password="pässword\x00 of 🏦")


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_what_is_sealed_opens_to_the_same(url, login, password):
    vault = Vault({1: KEY_1})
    credentials = Credentials(url=url, login=login, password=password)
    assert vault.open(USER, CONNECTION, vault.seal(USER, CONNECTION, credentials)) == credentials


def test_the_sealed_columns_show_nothing_and_never_repeat():
    vault = Vault({1: KEY_1})
    first, second = vault.seal(USER, CONNECTION, SECRET), vault.seal(USER, CONNECTION, SECRET)
    assert first.ciphertext != second.ciphertext
    assert first.wrapped_key != second.wrapped_key
    assert b"ada" not in first.ciphertext


@pytest.mark.parametrize(("user", "connection"), [(8, 40), (7, 41), (74, 0), (40, 7)])
def test_a_row_moved_to_another_person_or_connection_is_refused(user, connection):
    vault = Vault({1: KEY_1})
    sealed = vault.seal(USER, CONNECTION, SECRET)
    with pytest.raises(SecretUnreadable):
        vault.open(UserId(user), ConnectionId(connection), sealed)


def test_a_ciphertext_paired_with_another_rows_key_is_refused():
    vault = Vault({1: KEY_1})
    mine, other = vault.seal(USER, CONNECTION, SECRET), vault.seal(USER, ConnectionId(41), SECRET)
    with pytest.raises(SecretUnreadable):
        vault.open(USER, CONNECTION, replace(mine, ciphertext=other.ciphertext))
    with pytest.raises(SecretUnreadable):
        vault.open(USER, CONNECTION, replace(mine, wrapped_key=other.wrapped_key))


def test_any_flipped_bit_and_any_stump_is_refused():
    vault = Vault({1: KEY_1})
    sealed = vault.seal(USER, CONNECTION, SECRET)
    for position in range(len(sealed.ciphertext)):
        with pytest.raises(SecretUnreadable):
            vault.open(USER, CONNECTION, replace(sealed, ciphertext=flipped(sealed.ciphertext, position)))
    for size in (0, 5, 12, 20):
        with pytest.raises(SecretUnreadable):
            vault.open(USER, CONNECTION, replace(sealed, wrapped_key=sealed.wrapped_key[:size]))


def test_after_a_rotation_old_rows_open_and_new_rows_use_the_new_key():
    old = Vault({1: KEY_1}).seal(USER, CONNECTION, SECRET)
    rotated = Vault({1: KEY_1, 2: KEY_2})
    assert rotated.open(USER, CONNECTION, old) == SECRET
    assert rotated.seal(USER, CONNECTION, SECRET).key_version == 2


def test_a_key_that_is_gone_is_named_by_its_version():
    old = Vault({1: KEY_1}).seal(USER, CONNECTION, SECRET)
    with pytest.raises(SecretUnreadable, match="key version 1"):
        Vault({2: KEY_2}).open(USER, CONNECTION, old)


def test_a_row_that_claims_another_key_version_is_refused():
    vault = Vault({1: KEY_1, 2: KEY_1})
    sealed = vault.seal(USER, CONNECTION, SECRET)
    with pytest.raises(SecretUnreadable):
        vault.open(USER, CONNECTION, replace(sealed, key_version=1))


def test_no_repr_shows_a_secret():
    assert SECRET.login not in repr(SECRET)
    assert SECRET.password not in repr(SECRET)
    assert "wrapped" not in repr(Sealed(1, b"wrapped", b"cipher"))


def test_a_webhook_secret_opens_in_its_row_only():
    vault = Vault({1: KEY_1})
    endpoint = WebhookEndpointId(40)
    sealed = vault.seal_webhook(USER, endpoint, 1, b"s" * 32)
    assert vault.open_webhook(USER, endpoint, 1, sealed) == b"s" * 32
    for user, number, secret_no in ((8, 40, 1), (7, 41, 1), (7, 40, 2)):
        with pytest.raises(SecretUnreadable):
            vault.open_webhook(UserId(user), WebhookEndpointId(number), secret_no, sealed)
    with pytest.raises(SecretUnreadable):
        vault.open(USER, CONNECTION, sealed)
