"""Answers kept in a process."""

from mintql.domain.ids import UserId
from mintql.gateways.answers import ENTRY_BYTES, LocalAnswers

ADA, BOB = UserId(1), UserId(2)


def test_an_answer_takes_the_place_of_an_older_one_to_the_same_request():
    answers = LocalAnswers(10_000, 60)
    answers.put(ADA, "v1", "digest", b"old")
    answers.put(ADA, "v2", "digest", b"new")
    found = answers.get(ADA, "digest")
    assert found is not None
    assert (found.version, found.body) == ("v2", b"new")
    assert answers.get(BOB, "digest") is None


def test_the_least_recently_used_go_when_there_are_too_many_bytes():
    answers = LocalAnswers(3 * (ENTRY_BYTES + 10), 60)
    for name in ("a", "b", "c"):
        answers.put(ADA, "v", name, b"x" * 10)
    assert answers.get(ADA, "a") is not None
    answers.put(ADA, "v", "d", b"x" * 10)
    assert [name for name in "abcd" if answers.get(ADA, name)] == ["a", "c", "d"]
    answers.put(ADA, "v", "too large", b"x" * 10_000)
    assert [name for name in ("a", "c", "d", "too large") if answers.get(ADA, name)] == []


def test_an_answer_ends_with_its_life():
    answers = LocalAnswers(10_000, -1)
    answers.put(ADA, "v", "digest", b"answer")
    assert answers.get(ADA, "digest") is None


def test_a_person_can_be_forgotten():
    answers = LocalAnswers(10_000, 60)
    answers.put(ADA, "v", "digest", b"hers")
    answers.put(BOB, "v", "digest", b"his")
    answers.forget(ADA)
    assert answers.get(ADA, "digest") is None
    assert answers.get(BOB, "digest") is not None
