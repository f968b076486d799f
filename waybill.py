"""The command line: one thin file that joins the rooms' own commands."""

import importlib
import logging
import sys
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from infra.settings import SettingsError

COMMANDS = {
    # name: (where it lives, one line for --help); a module is imported only when its command runs
    "up": ("infra.up.command:up", "Run everything on this machine, embedded services included."),
    "env": ("infra.up.command:env", "Print export lines of the stack in the data dir."),
    "demo": ("infra.demo.command:demo", "Send real files all the way and compare the bytes."),
    "api": ("api.server:api", "Serve the HTTP API."),
    "relay": ("outbox.cli.relay:relay", "Turn the outbox into Redis Streams."),
    "worker": ("consumers.cli.worker:worker", "Run the consumers."),
    "scheduler": ("scheduler.command:scheduler", "Say hourly and daily what is due."),
    "status": ("outbox.cli.status:status", "Show how far the outbox, the streams and the consumers are."),
    "events": ("outbox.cli.events:events", "Look at what has happened, or watch it happen."),
    "trace": ("outbox.cli.trace:trace", "Show one file's life as a timeline."),
    "replay": ("consumers.cli.replay:replay", "Run a consumer again for past events, or copy them into a stream."),
    "replays": ("consumers.cli.replay:replays", "List replays, or cancel one."),
    "dead": ("outbox.cli.dead:dead", "Look at what was given up, try it again, or discard it."),
    "streams": ("outbox.cli.streams:streams", "Rebuild what is in Redis from the outbox."),
    "consumers": (
        "consumers.cli.consumers:consumers",
        "List who handles events, or forget one the code no longer has.",
    ),
    "reconcile": ("consumers.cli.reconcile:reconcile", "Compare what S3 holds with what rows know, and repair it."),
    "doctor": ("outbox.cli.doctor:doctor", "Look at everything that Waybill stands on, and say what to do."),
    "config": ("infra.cli.config:config", "Show the settings and where each comes from."),
    "keys": ("api.cli.keys:keys", "List and rotate the keys of tokens and kept answers."),
    "migrate": ("migrations.command:migrate", "Bring the database to the newest schema."),
}


class LazyGroup(click.Group):
    """Knows every command's name and help line without importing what runs it, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        named = [CompletionItem(name, help=line) for name, (_, line) in COMMANDS.items() if name.startswith(incomplete)]
        return named + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def main(self, *args: Any, **options: Any) -> NoReturn:
        """Run a command. Exit codes: 0 done, 1 refused or failed, 2 bad input or settings, each with one line."""
        try:
            result = super().main(*args, **options | {"standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as help_:
            click.echo(help_.format_message())
            sys.exit(2)
        except click.UsageError as error:
            _end(f"{error.format_message()} (see {error.ctx.command_path if error.ctx else 'waybill'} --help)", 2)
        except click.ClickException as error:
            _end(error.format_message(), error.exit_code)
        except click.Abort:
            _end("stopped", 1)
        except SettingsError as error:
            _end(str(error), 2)
        sys.exit(result if isinstance(result, int) else 0)


def _end(line: str, code: int) -> NoReturn:
    """With one line; of JSON if the command has begun to log so."""
    if [handler.name for handler in logging.getLogger().handlers] == ["json"]:
        logging.getLogger("waybill").critical(line)
    else:
        click.echo(f"waybill: {line}", err=True)
    sys.exit(code)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="waybill")
def cli() -> None:
    """Waybill: a file service in which every change is one transaction that tells the world what happened."""


def main() -> NoReturn:
    cli.main(prog_name="waybill")


if __name__ == "__main__":
    main()
