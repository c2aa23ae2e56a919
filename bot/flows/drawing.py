"""Drawings of a flow: Mermaid for documents, SVG for the staff pages. Plain text out; nothing is fetched or run."""

from __future__ import annotations

from html import escape

from bot.flows.conditions import text
from bot.flows.values import END, Act, Collect, Flow, Link, Noop, SetSlots, Step

WIDTH, HEIGHT, GAP_X, GAP_Y = 220, 44, 40, 56  # of a box and the room between, in pixels


def mermaid(flow: Flow) -> str:
    """A Mermaid flowchart: questions as rounded boxes, deeds as boxes, forks as diamonds."""
    numbers = {name: f"s{index}" for index, name in enumerate(flow.steps)}
    lines = ["flowchart TD", f"  start([{_quoted(flow.title)}]) --> {numbers.get(flow.start, 'over')}"]
    for name, step in flow.steps.items():
        label = _quoted(_label(step))
        box = {Collect: f"([{label}])", Noop: f"{{{label}}}"}.get(type(step), f"[{label}]")
        lines.append(f"  {numbers[name]}{box}")
        for branch in step.next:
            when = f"|{_quoted(_when(branch.condition is not None and text(branch.condition), step))}|"
            arrow = f"-->{when}" if len(step.next) > 1 else "-->"
            lines.append(f"  {numbers[name]} {arrow} {numbers.get(branch.target, 'over')}")
    lines.append("  over((hết))")
    return "\n".join(lines) + "\n"


def svg(flow: Flow) -> str:
    """The same as a picture, one row per distance from the start. Text is escaped; no script, no reference outside."""
    rows = _rows(flow)
    places = {
        name: (40 + column * (WIDTH + GAP_X), 40 + row * (HEIGHT + GAP_Y))
        for row, names in enumerate(rows)
        for column, name in enumerate(names)
    }
    width = 80 + max(len(names) for names in rows) * (WIDTH + GAP_X)
    height = 80 + len(rows) * (HEIGHT + GAP_Y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="sans-serif" font-size="13"><title>{escape(flow.title)}</title>'
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z"/></marker></defs>'
    ]
    for name, step in flow.steps.items():
        x, y = places[name]
        for branch in step.next:
            to_x, to_y = places[branch.target]
            condition = text(branch.condition) if branch.condition else ("" if len(step.next) == 1 else "không thì")
            parts.append(
                f'<path d="M{x + WIDTH // 2},{y + HEIGHT} L{to_x + WIDTH // 2},{to_y}" fill="none" '
                f'stroke="#555" marker-end="url(#tip)"><title>{escape(condition)}</title></path>'
            )
    for name, (x, y) in places.items():
        step_or_end = flow.steps.get(name)
        label = _label(step_or_end) if step_or_end else "hết"
        round_ = 20 if isinstance(step_or_end, Collect) else 4
        shown = label if len(label) <= 30 else label[:29] + "…"
        parts.append(
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="{round_}" fill="#fff" stroke="#333"/>'
            f'<text x="{x + WIDTH // 2}" y="{y + HEIGHT // 2 + 5}" text-anchor="middle">'
            f"{escape(shown)}<title>{escape(label)}</title></text>"
        )
    return "".join([*parts, "</svg>\n"])


def _rows(flow: Flow) -> list[list[str]]:
    rows, seen, row = [], {flow.start}, [flow.start]
    while row:
        rows.append(row)
        following: list[str] = []
        for name in row:
            for branch in flow.steps[name].next if name in flow.steps else ():
                if branch.target not in seen and branch.target != END:
                    seen.add(branch.target)
                    following.append(branch.target)
        row = following
    return [*rows, [END]]


def _label(step: Step) -> str:
    match step:
        case Collect(slot=slot):
            return f"hỏi: {slot}"
        case Act(name=name):
            return name
        case SetSlots(values=values):
            return ", ".join(f"{name} = {value}" for name, value in values.items())
        case Link(flow=flow):
            return f"sang {flow}"
        case Noop():
            return "rẽ nhánh"


def _when(condition: str | bool, step: Step) -> str:
    return condition if isinstance(condition, str) else "không thì" if len(step.next) > 1 else ""


def _quoted(label: str) -> str:
    return '"' + label.replace('"', "'") + '"'
