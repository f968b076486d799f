"""The one screen that `waybill up` prints."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

ACCOUNT = """'{"email": "me@example.com", "password": "correct horse battery"}'"""
BEARER = '-H "Authorization: Bearer $TOKEN"'
JSON_TYPE = "'Content-Type: application/json'"


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a person needs to begin; `seconds` is how long the start took."""

    url: str
    data_dir: Path
    maildir: Path
    seconds: float

    def show(self, as_json: bool) -> None:
        if as_json:
            click.echo(json.dumps({"url": self.url, "data_dir": str(self.data_dir), "maildir": str(self.maildir)}))
            return
        console = Console(highlight=False)
        console.print(f"\n[bold green]Waybill is ready[/] at [bold]{self.url}[/] after {self.seconds:.1f} s\n")
        console.print(self._places(), soft_wrap=True)
        console.print("\nTry it in another shell:\n")
        for line in self.lines():
            console.print(f"  {line}", markup=False, soft_wrap=True)  # wrapped lines could not be pasted
        console.print("\nCtrl-C drains and stops everything; the data stays.\n")

    def lines(self) -> tuple[str, ...]:
        """Commands to paste, in this order."""
        extract = r"""sed 's/.*"access_token": *"\([^"]*\)".*/\1/'"""
        return (
            f"curl -s {self.url}/v1/accounts -H {JSON_TYPE} -d {ACCOUNT}",
            f"TOKEN=$(curl -s {self.url}/v1/sessions -H {JSON_TYPE} -d {ACCOUNT} | {extract})",
            f'echo "hello" | curl -s -F "file=@-;filename=hello.txt" {self.url}/v1/files {BEARER}',
            f'sleep 1; curl -s "{self.url}/v1/files?q=hello" {BEARER}',
        )

    def _places(self) -> Table:
        table = Table.grid(padding=(0, 3))
        table.add_row("  API", f"{self.url}/schema/openapi.json")
        table.add_row("  Health", f"{self.url}/health/ready")
        table.add_row("  Mail", f"{self.maildir}/new")
        table.add_row("  Logs", f"{self.data_dir}/log")
        table.add_row("  Shell", f'eval "$({Path(sys.argv[0]).absolute()} env --data-dir {self.data_dir})"')
        return table
