"""Passwords that anybody would guess are refused, and hashing them stays bounded."""

import asyncio

import pytest
from argon2 import PasswordHasher

from domain.accounts import passwords
from domain.accounts.passwords import PasswordsBusy, PasswordTooCommon
from domain.errors import Invalid

ADA = "ada.lovelace@example.com"


@pytest.mark.parametrize(
    "password",
    [
        *("1234567890", "qwertyuiop", "password123", "PASSWORD123", "charlie123", "aaaaaaaaaa"),
        *("abcdefghij", "passwordpassword", "1q2w3e4r5t", "\uff50assword\uff11\uff12\uff13", "a" * 128),
        *("ada.lovelace@example.com", "Ada.Lovelace@Example.com", "ada.lovelace", "Ada.Lovelace"),
    ],
)
async def test_a_common_password_is_refused(password: str) -> None:
    with pytest.raises(PasswordTooCommon) as refused:
        await passwords.hashed(password, email=ADA)

    assert refused.value.field == "password"
    assert password not in str(refused.value)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "longenough1",
        "s3cret-passw0rd",
        "hunter2hunter2",
        "пароль на сегодня",
        "x" + "aA4@1!sS$5" * 12,
    ],
)
async def test_another_one_is_taken(password: str) -> None:
    assert await passwords.matches(password, await passwords.hashed(password, email=ADA))


async def test_what_stands_for_too_many_words_is_taken_unguessed(monkeypatch: pytest.MonkeyPatch) -> None:
    def guess(_: str) -> None:
        pytest.fail("this takes seconds of the place where everybody's passwords are hashed")

    monkeypatch.setattr(passwords, "zxcvbn", guess)

    await passwords.hashed("4@8({[<369!1|7$5+2%04@8({[<369!1", email=ADA)


@pytest.mark.parametrize("password", ["", "ninechars", "x7" * 65])
async def test_a_length_is_held_wherever_it_comes_from(password: str) -> None:
    with pytest.raises(Invalid, match="10 to 128 characters"):
        await passwords.hashed(password, email=ADA)


async def test_one_password_typed_on_two_keyboards_is_one() -> None:
    composed, decomposed = "caf\u00e9 au lait", "cafe\u0301 au lait"

    assert await passwords.matches(decomposed, await passwords.hashed(composed, email=ADA))


async def test_a_hash_of_former_days_is_renewed_and_one_of_today_is_not() -> None:
    former = PasswordHasher(time_cost=2, memory_cost=32, parallelism=1).hash("correct horse")

    renewed = await passwords.renewed("correct horse", former)

    assert renewed != former
    assert await passwords.matches("correct horse", renewed)
    assert await passwords.renewed("correct horse", renewed) == renewed


async def test_who_comes_when_too_many_wait_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 3)

    answers = await asyncio.gather(*(passwords.matches("x", None) for _ in range(20)), return_exceptions=True)

    assert answers[:3] == [False] * 3
    assert {type(answer) for answer in answers if answer is not False} == {PasswordsBusy}


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "PATIENCE", 0.01)
    given = [asyncio.Event() for _ in range(passwords.PLACES)]
    done = asyncio.Event()

    async def occupy(taken: asyncio.Event) -> None:
        async with passwords.turn():
            taken.set()
            await done.wait()

    occupying = [asyncio.create_task(occupy(each)) for each in given]
    await asyncio.gather(*(each.wait() for each in given))

    with pytest.raises(PasswordsBusy):
        await passwords.matches("x", None)

    done.set()
    await asyncio.gather(*occupying)
    assert await passwords.matches("x", None) is False
