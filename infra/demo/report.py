"""What the demo prints: a line for each step as it is done, and a line for each event that it has seen."""

import json
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.text import Text

from infra.demo.outcome import Done, Event


@dataclass(slots=True)
class Report:
    """Colours and the spinner are the console's own affair: it has none where it is piped or NO_COLOR is set."""

    console: Console
    steps: list[dict[str, Any]] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self.began

    def waiting(self, title: str) -> AbstractContextManager[object]:
        """Inside, a terminal shows what is being done."""
        return self.console.status(Text(title))

    def held(self, title: str, seconds: float, done: Done) -> None:
        """Say that a step has been done."""
        events = [{"position": each.position, "type": each.type, "time": each.time.isoformat()} for each in done.events]
        self.steps.append({"title": title, "seconds": round(seconds, 3), "remark": done.remark, "events": events})
        took = (f"{seconds:6.2f} s  ", "dim")
        self.say(Text.assemble(("  ok ", "green"), took, title, (f"  {done.remark}", "dim")))
        for event in done.events:
            self.say(_event(event))

    def say(self, line: Text) -> None:
        line.rstrip()
        self.console.print(line, soft_wrap=True)

    def summary(self, url: str) -> None:
        events = sum(len(step["events"]) for step in self.steps)
        text = f"Everything held: {len(self.steps)} steps and {events} events in {self.seconds:.1f} s"
        self.say(Text.assemble((text, "bold green"), f"  {url}"))

    def as_json(self, failure: str | None) -> str:
        """All of it, for machines."""
        whole = {"ok": failure is None, "failure": failure, "seconds": round(self.seconds, 3), "steps": self.steps}
        return json.dumps(whole, indent=2, ensure_ascii=False)


def _event(event: Event) -> Text:
    clock = event.time.strftime("%H:%M:%S.%f")[:-3]
    return Text.assemble(f"{event.position:>19}  ", (f"{event.type:<22}", "cyan"), (f"{clock} UTC", "dim"))
