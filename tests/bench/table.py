"""The results for people: a line for each item, one for each peer and percentile below it."""

from collections.abc import Iterator, Sequence

from tests.bench.result import Result

HEAD = ("", "ours", "floor", "unit", "ratio", "rounds", "spread", "goal")


def table(results: Sequence[Result]) -> str:
    rows = [HEAD, *(row for each in results for row in _rows(each))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join(_line(row, widths) for row in rows)


def _rows(found: Result) -> Iterator[tuple[str, ...]]:
    if found.failed:
        yield (found.item, "", "", "", "", "", "", f"FAILED: {found.failed}")
        return
    goals = ", ".join(f"{goal} {'met' if is_met else 'MISSED'}" for goal, is_met in found.goals.items())
    spread = "" if found.spread is None else f"{found.spread:.0%}"
    figures = (_figure(found.ours), _figure(found.floor), found.unit, _figure(found.ratio), str(found.runs))
    yield (found.item, *figures, spread, goals)
    for name, figure in found.figures.items():
        yield (f"  {name}", _figure(figure), _figure(found.floor_figures.get(name)), "", "", "", "", "")
    for name, peer in found.peers.items():
        what = ("", peer) if isinstance(peer, str) else (_figure(peer), "")
        yield (f"  {name}", "", what[0], "", "", "", "", what[1])


def _figure(figure: float | None) -> str:
    if figure is None:
        return ""
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.3g}"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.ljust(width) if index in {0, 3, 7} else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
