"""`osso flow` and `osso export`: look at the flows, draw one, write them as a Rasa project."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bot import knowledge
from bot.actions import Inside, house
from bot.engine import REQUIRED
from bot.errors import ContentError
from bot.flows import Flows, drawing, load, rasa, read

HERE = Path(__file__).parent / "flows"
flows_option = click.option(
    "--flows", "directory", type=click.Path(path_type=Path, file_okay=False), default=HERE, help="Folder of flow files."
)
knowledge_option = click.option(
    "--knowledge",
    "knowledge_dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("knowledge"),
    show_default=True,
    help="Folder of the articles that buttons may name.",
)


@click.group()
def flow() -> None:
    """What the bot does: check the flow files, draw one."""


@flow.command()
@flows_option
@knowledge_option
def check(directory: Path, knowledge_dir: Path) -> None:
    """Names every fault of the flow files at once. Exit code 1 when there is one."""
    known = knowledge.read(knowledge_dir).knowledge
    articles = known.articles or None
    flows, findings = read(directory, actions=Inside(house(known)).names, articles=articles, required=REQUIRED)
    for finding in findings:
        click.echo(str(finding))
    if any(finding.severity == "error" for finding in findings):
        sys.exit(1)
    steps = sum(len(item.steps) for item in flows.flows.values())
    click.echo(f"{len(flows.flows)} flows, {steps} steps, {len(flows.responses)} responses: no fault")


@flow.command()
@click.argument("name")
@click.option("--svg", "as_svg", is_flag=True, help="An SVG picture instead of Mermaid.")
@flows_option
def draw(name: str, as_svg: bool, directory: Path) -> None:
    """Draws the flow NAME as Mermaid."""
    flows = _loaded(directory)
    found = flows.flows.get(name)
    if found is None:
        raise click.ClickException(f"no flow {name}; there are: {', '.join(sorted(flows.flows))}")
    click.echo(drawing.svg(found) if as_svg else drawing.mermaid(found), nl=False)


@click.group()
def export() -> None:
    """Write what the house knows for other programs."""


@export.command("rasa")
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@flows_option
def export_rasa(target: Path, directory: Path) -> None:
    """Writes the flows as a Rasa project into the folder TARGET."""
    files = rasa.project(_loaded(directory))
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    click.echo(f"{len(files)} files in {target}")


def _loaded(directory: Path) -> Flows:
    try:
        return load(directory, actions=Inside(house(knowledge.Knowledge())).names, required=REQUIRED)
    except ContentError as error:
        raise click.ClickException(str(error)) from error
