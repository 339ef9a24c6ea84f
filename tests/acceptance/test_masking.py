"""What fails beside the fields of an operation is masked as what fails in them: the words of a library reach nobody."""

from __future__ import annotations

from mintql.api.keyed_run import KeyedRun

ADD = """
mutation { addCategory(name: "Regatta", kind: EXPENSE, idempotencyKey: "one") {
  __typename ... on Error { code message } } }
"""


async def test_what_fails_around_a_keyed_mutation_is_told_by_an_id_alone(client, monkeypatch, caplog):
    async def lost(self, user_id):
        raise ConnectionResetError("connection was closed in the middle of operation")

    monkeypatch.setattr(KeyedRun, "_look", lost)
    error = await client.refusal(ADD)
    assert error["extensions"]["code"] in ("INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE")
    assert "connection was closed" not in str(error)
    assert error["extensions"]["id"] in caplog.text
    assert "connection was closed" in caplog.text
    monkeypatch.undo()
    assert (await client.ask(ADD))["addCategory"]["__typename"] == "AddCategorySuccess"
