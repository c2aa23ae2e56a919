"""`osso safety`: look over the danger signs and crisis texts, and measure the screen on labelled messages.

Prints figures and findings, and messages only from a file of labelled examples, never what a person wrote to us.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from bot.errors import ContentError, Refused
from bot.nlu.words import load as words
from bot.safety import Screen, classify, signing
from bot.safety import lint as lints
from bot.safety import score as scores
from bot.safety.signs import load

KNOWLEDGE = Path(__file__).resolve().parent.parent / "knowledge"
EXAMPLES = Path(__file__).resolve().parent.parent / "tests" / "data" / "safety"
JUDGES = tuple(EXAMPLES / f"judge{of}.tsv" for of in ("", "2", "3", "4", "5", "6"))  # never looked at while writing
LESSONS = tuple(  # what the classifier learns from
    EXAMPLES / f"{name}.tsv"
    for name in ("rules", "scenes", "scenes2", "learn3", "learn4", "learn5", "learn6", "learn7", "learn8", "learn9")
)
FIGURES = {
    "recall": "found (CHECK and up)",
    "imminent": "found, imminent",
    "imminent_red": "imminent as RED",
    "category_right": "right category when found",
    "false_alarms": "false alarms (AMBER and up)",
    "check_on_harmless": "CHECK on harmless",
}


@dataclass(frozen=True, slots=True)
class Signing:
    """Who may sign, by login, and where a signature is told to the audit."""

    people: Callable[[], Collection[str]]
    record: Callable[[str, str], None]  # login, hash of what was signed


@click.group()
def safety() -> None:
    """Kiểm tra dấu hiệu nguy hiểm và lời trả lời lúc nguy. / Danger signs and crisis texts."""


@safety.command()
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=KNOWLEDGE)
def check(folder: Path) -> None:
    """Soát danger.yml và crisis.yml; thoát 1 nếu có lỗi. / Lint; exits 1 on errors."""
    found = lints.check(folder, time.thread_time, today=datetime.datetime.now(datetime.UTC).date())
    for finding in found:
        click.echo(str(finding))
    errors = sum(finding.severity == "error" for finding in found)
    click.echo(f"{errors} lỗi / errors, {len(found) - errors} lưu ý / remarks")
    raise SystemExit(1 if errors else 0)


@safety.command()
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=KNOWLEDGE)
@click.option("--examples", type=click.Path(exists=True, path_type=Path), multiple=True, default=JUDGES)
@click.option("--json", "as_json", is_flag=True, help="Figures alone, as JSON.")
@click.option("--missed", is_flag=True, help="Also print each example missed or falsely alarmed on.")
def test(folder: Path, examples: tuple[Path, ...], *, as_json: bool, missed: bool) -> None:
    """Đo trên các câu có nhãn. / Recall by category, severity and style, and the false-alarm rate."""
    try:
        screen, cases = Screen.load(folder), [row for path in examples for row in scores.rows(path)]
    except ContentError as error:
        raise click.ClickException(str(error)) from error
    result = scores.score(screen.read, cases)
    if as_json:
        click.echo(json.dumps(result.figures(), ensure_ascii=False, indent=1))
        return
    click.echo(f"{result.dangerous} dangerous, {result.harmless} harmless messages")
    for name, title in FIGURES.items():
        click.echo(f"{title:32} {getattr(result, name):6.1%}")
    for cut, (good, of) in sorted(result.cases.items()):
        click.echo(f"  {cut:30} {good:4} of {of:4}  {good / of:6.1%}")
    for row, danger in (*result.missed, *result.alarmed) if missed else ():
        click.echo(f"{row.level:5} read as {danger.level:5} {row.style:10} {row.text[:100]} {danger.why}")


@safety.command()
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=KNOWLEDGE)
@click.option("--examples", type=click.Path(exists=True, path_type=Path), multiple=True, default=LESSONS)
def train(folder: Path, examples: tuple[Path, ...]) -> None:
    """Học lại bộ phân loại từ các câu có nhãn. / Train and freeze the classifier again."""
    from bot.safety import training  # noqa: PLC0415 - scikit-learn is loaded for this command only

    try:
        screen = Screen.load(folder)
        rows = [(row, training.WEIGHTS.get(path.stem, 1.0)) for path in examples for row in scores.rows(path)]
        told = [training.examples(rows, folder, screen.calm, seed) for seed in training.SEEDS]
    except ContentError as error:
        raise click.ClickException(str(error)) from error
    features = partial(screen.features, longest=training.LONGEST)
    table = training.average([training.train(pairs, features) for pairs in told])
    training.freeze(table, folder / "danger.bin", count=len(told[0]), spelled=classify.spelling(screen.lexicon))
    click.echo(f"{len(told[0])} examples told {len(told)} times, {table.nbytes / 1e6:.1f} MB")


@safety.command()
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=KNOWLEDGE)
@click.option("--by", required=True, help="Tài khoản của người ký. / The login of who signs.")
@click.pass_obj
def sign(opened: Callable[[], Signing], folder: Path, by: str) -> None:
    """Ký bản danger.yml và danger.bin này; cần hai người. / Sign this very content; two different people must."""
    made = opened()
    if by not in made.people():
        raise Refused(f"Không có tài khoản “{by}” trong nhóm nội dung / nobody of the content staff is called so")
    path = folder / "danger.yml"
    signs, findings = load(path, words(folder / "words.yml"))
    if signs is None:
        raise ContentError([finding for finding in findings if finding.severity == "error"])
    today = datetime.datetime.now(datetime.UTC).date()
    content = signing.content(signs, (folder / "danger.bin").read_bytes())
    text = signing.sign(path.read_text(encoding="utf-8"), signs, content, by=by, on=today)
    made.record(by, content)
    path.write_text(text, encoding="utf-8")
    missing = max(0, signing.NEEDED - len(signing.signers(signs, content)) - 1)
    click.echo(f"{content}: {by} đã ký, còn thiếu {missing} người / signed, {missing} more must")
