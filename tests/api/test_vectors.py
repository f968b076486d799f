"""PASETO's and PASERK's own test vectors, through our verifier and our key forms.

They are not ours to pass on. Get them from https://github.com/paseto-standard/test-vectors into tests/vectors/, or say
where they are in PASETO_VECTORS; without them these tests are skipped.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyseto import Key, KeyInterface

from api.paseto import BadToken, Envelope
from infra import base64url, paserk
from infra.paserk import BadKey

DIRECTORY = Path(os.environ.get("PASETO_VECTORS") or Path(__file__).parents[1] / "vectors")
FORMS: dict[str, Callable[[str], KeyInterface]] = {
    "k4.local": paserk.local_key,
    "k4.secret": paserk.secret_key,
    "k4.public": paserk.public_key,
}
IDS = {"k4.lid": ("k4.local", paserk.local_key), "k4.pid": ("k4.public", paserk.public_key)}


def vectors(*names: str) -> list[Any]:
    """The cases of the first of these files that is there; one that is skipped if none is."""
    for name in names:
        if (file := DIRECTORY / name).is_file():
            return [pytest.param(each, id=each["name"]) for each in json.loads(file.read_text())["tests"]]
    return [pytest.param({}, marks=pytest.mark.skip(reason=f"{names[0]} is not in {DIRECTORY.name}/"), id=names[0])]


def of_paserk(*kinds: str) -> list[Any]:
    return [
        pytest.param(kind, *case.values, marks=case.marks, id=case.id)
        for kind in kinds
        for case in vectors(f"PASERK/{kind}.json", f"paserk-{kind}.json")
    ]


def spelled(kind: str, key: str) -> str:
    return f"{kind}.{base64url.encode(bytes.fromhex(key))}"


def opened(case: dict[str, Any]) -> str:
    if "public-key" in case:
        keys = [Key.from_paserk(spelled("k4.public", case["public-key"]))]
        header = "v4.public."
    else:
        keys, header = [Key.from_paserk(spelled("k4.local", case["key"]))], "v4.local."
    envelope = Envelope.of(case["token"], header=header)
    payload = envelope.open(keys, assertion=case["implicit-assertion"].encode())
    assert envelope.footer.decode() == case["footer"]
    return payload.decode()


@pytest.mark.parametrize("case", vectors("v4.json", "paseto-v4.json"))
def test_tokens(case: dict[str, Any]) -> None:
    if case["expect-fail"]:
        with pytest.raises(BadToken):
            opened(case)
    else:
        assert opened(case) == case["payload"]


@pytest.mark.parametrize(("kind", "case"), of_paserk(*FORMS))
def test_forms_of_keys(kind: str, case: dict[str, Any]) -> None:
    text = case["paserk"] or spelled(kind, case["key"])
    if case["expect-fail"]:
        with pytest.raises(BadKey):
            FORMS[kind](text)
    else:
        assert text == spelled(kind, case["key"])
        assert FORMS[kind](text).to_paserk() == text
    if kind == "k4.secret" and not case["expect-fail"]:
        assert paserk.public_half(paserk.secret_key(text)).to_paserk() == spelled("k4.public", case["public-key"])


@pytest.mark.parametrize(("kind", "case"), of_paserk(*IDS))
def test_ids_of_keys(kind: str, case: dict[str, Any]) -> None:
    form, read = IDS[kind]
    text = spelled(form, case["key"])
    if case["expect-fail"]:
        with pytest.raises(BadKey):
            read(text)
    else:
        assert read(text).to_paserk_id() == case["paserk"]
