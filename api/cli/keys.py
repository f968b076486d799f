"""`waybill keys`."""

import asyncio
from datetime import timedelta
from pathlib import Path

import click

from api.key_report import KeyReport, local_report, public_report
from domain.service_tokens.commands import RegisterKey, register_key, retire_all_but
from domain.service_tokens.queries import key_usage
from infra import keyfile, keyring, paserk
from infra.console import show_json, show_table
from infra.keyring import local_keys, secret_keys
from infra.settings import Settings
from outbox.cli.operator import Operator, operator_command
from outbox.forgetting import forget_answers

KINDS = {"local": "LOCAL", "public": "SECRET"}
"""As they are listed, and as their variables are called."""
SLACK = timedelta(hours=1)


@click.group()
def keys() -> None:
    """List and rotate the keys of tokens and kept answers. No secret is ever shown but by `generate`."""


@keys.command(name="list")
@operator_command
async def list_(operator: Operator) -> None:
    """List the keys: which make, and until when older ones are needed."""
    for ring in (local_keys, secret_keys):
        ring(operator.settings)  # a wrong key is told as at any start
    async with operator.sessions() as session:
        used = await key_usage(session)
    keep_for = timedelta(days=operator.settings.retention_days)
    found = local_report(operator.settings, keep_for=keep_for) + public_report(operator.settings, used)
    if operator.as_json:
        show_json(found)
    else:
        columns = ["kind", "kid", "created", "state", "needed until", "tokens"]
        show_table(columns, [_cells(each) for each in found])


@keys.command()
@click.argument("kind", type=click.Choice(list(KINDS)), required=False)
@click.option(
    "--leaked",
    is_flag=True,
    help="What older keys have made ends now: tokens, and kept answers, for good. Sessions go on.",
)
@operator_command
async def rotate(operator: Operator, kind: str | None, leaked: bool) -> None:
    """Put a new key first, of one KIND or of both. What older ones have made is good until it is over.

    Processes that run take the new key within seconds.
    """
    kinds = [kind] if kind else list(KINDS)
    files = {each: _file(operator.settings, each) for each in kinds}
    rotated = [await _rotate(operator, each, file, leaked=leaked) for each, file in files.items()]
    if leaked and "local" in kinds:
        await _forget_answers(operator)
    if operator.as_json:
        show_json({"rotated": rotated})
    else:
        for each in rotated:
            click.echo(f"{each['kid']} is the {each['kind']} key now.")


@keys.command()
@click.argument("kind", type=click.Choice(["local", "secret"]))
def generate(kind: str) -> None:
    """Print a new key, which is a secret: for WAYBILL_LOCAL_KEY or WAYBILL_SECRET_KEY."""
    click.echo(paserk.new_local() if kind == "local" else paserk.new_secret())


def _file(settings: Settings, kind: str) -> Path:
    """Where the keys of this kind lie; in an environment nobody but its owner can change them."""
    name = KINDS[kind].lower()
    (local_keys if kind == "local" else secret_keys)(settings)
    path: str | None = getattr(settings, f"{name}_key_file")
    if path is None:
        raise click.ClickException(
            f"WAYBILL_{KINDS[kind]}_KEY is in the environment: put what `waybill keys generate {name}` prints "
            "before it, with a space between them, and restart"
        )
    return Path(path)


async def _rotate(operator: Operator, kind: str, file: Path, *, leaked: bool) -> dict[str, str]:
    kid = await (_rotate_local if kind == "local" else _rotate_public)(operator, file, leaked=leaked)
    return {"kind": kind, "kid": kid}


async def _rotate_local(operator: Operator, file: Path, *, leaked: bool) -> str:
    """Older ones stay for as long as an answer that they have sealed may be asked for again."""
    fresh = paserk.new_local()
    keep_for = timedelta(days=operator.settings.retention_days) + SLACK
    _replace(file, fresh, keep_for=None if leaked else keep_for)
    return paserk.local_key(fresh).to_paserk_id()


async def _rotate_public(operator: Operator, file: Path, *, leaked: bool) -> str:
    """Older ones go: their public halves are registered first, and nothing else of them is needed."""
    fresh = paserk.new_secret()
    publics = [paserk.public_half(key) for key in (paserk.secret_key(fresh), *secret_keys(operator.settings).keys)]
    async with operator.sessions.begin() as session:
        for public in publics:
            await register_key(session, RegisterKey(kid=public.to_paserk_id(), paserk=public.to_paserk()))
    _replace(file, fresh, keep_for=None)
    kid = publics[0].to_paserk_id()
    if leaked:
        async with operator.sessions.begin() as session:
            await retire_all_but(session, kid)
    return kid


async def _forget_answers(operator: Operator) -> None:
    """Once no process seals with the key before: each looks for the new one when it uses its ring."""
    await asyncio.sleep(2 * keyring.LOOK_EVERY)
    await forget_answers(operator.sessions)


def _replace(file: Path, fresh: str, *, keep_for: timedelta | None) -> None:
    try:
        keyfile.rotate(file, fresh, keep_for=keep_for)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be rotated ({error.strerror})") from None


def _cells(key: KeyReport) -> list[object]:
    return [key.kind, key.kid, _day(key.created_at), key.state, _day(key.needed_until), key.living_tokens]


def _day(moment: object) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
