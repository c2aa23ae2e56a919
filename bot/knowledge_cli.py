"""`osso kb`: what staff without programming do with the knowledge, from a first check to a published answer.

Nothing here decides: it reads, asks the rules of `bot.knowledge`, prints, and writes only what they allow. The lead's
command gives a `Tools`, or a function that makes one, as Click's context object.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from difflib import unified_diff
from pathlib import Path

import click

from bot.errors import ContentError, Refused
from bot.knowledge import articles, deeds, governance, office_for, sheets, trial
from bot.knowledge.articles import TOPICS, Article
from bot.knowledge.checking import check as check_root
from bot.knowledge.governance import Approvals, Editor
from bot.knowledge.loading import Shelf, read, version
from bot.knowledge.shape import json_schema
from bot.knowledge.writing import fingerprint, save_all, without_review, write_article
from bot.messages import Finding

GOLDEN = "golden.tsv"
MOST_PLACES = 12  # rows of one name shown by `kb place`
VERIFIED = 90  # days after which a number people are told should be called again
VIETNAM = timezone(timedelta(hours=7))


@dataclass(frozen=True, slots=True)
class Tools:
    """What the commands work with. Without `approvals` and `people` the commands that need them say so; without `train`
    the bot's own reader of texts is taught, and what it learned from all articles is kept in `cache`."""

    root: Path = Path("knowledge")
    now: Callable[[], datetime] = field(default=lambda: datetime.now(VIETNAM))
    approvals: Callable[[], Approvals] | None = None
    people: Callable[[], Mapping[str, Editor]] | None = None
    train: trial.Train | None = None
    cache: Path | None = None


def learner(root: Path, *, cache: Path | None = None) -> trial.Train:
    """Teaches the bot's own reader of texts from articles, with the words and out-of-scope lines of `root`.

    `cache` is a folder where what was learned is kept by content.
    """
    from bot.nlu import acts, words  # noqa: PLC0415 - only this command needs the matcher and what it carries
    from bot.nlu.match import Matcher  # noqa: PLC0415
    from bot.nlu.outside import load_out_of_scope  # noqa: PLC0415

    lexicon = words.load(root / "words.yml", root=root)
    outside = load_out_of_scope(root / "out_of_scope.tsv")
    spoken, _ = acts.read(root / "acts.yml", lexicon, root=root)  # a faulty file stops the server, not this

    def train(held: Sequence[Article]) -> trial.Reader:
        return Matcher.train(
            {article.id: article.asked for article in held},
            {article.id: article.title for article in held},
            {article.id: article.said for article in held},
            lexicon,
            outside,
            cache=cache,
            acts=spoken,
        ).read

    return train


@click.group()
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Thư mục knowledge.")
@click.pass_context
def kb(context: click.Context, root: Path | None) -> None:
    """Bài trả lời: kiểm tra, thử, duyệt, đăng, xuất và nhập."""
    given = context.obj
    tools = given if isinstance(given, Tools) else given() if callable(given) else Tools()
    context.obj = replace(tools, root=root) if root else tools


@kb.command()
@click.option("--json", "as_json", is_flag=True, help="In dạng JSON, mỗi dòng một phát hiện.")
@click.pass_obj
def check(tools: Tools, as_json: bool) -> None:
    """Kiểm tra mọi bài. Thoát với mã 1 khi có lỗi."""
    found = [*check_root(tools.root, today=tools.now().date()), *_word_faults(tools.root)]
    _print(found, as_json=as_json)
    if not as_json:
        counts = Counter(one.severity for one in found)
        click.echo(f"{counts['error']} lỗi, {counts['warning']} nhắc nhở, {counts['note']} ghi chú")
    sys.exit(any(one.severity == "error" for one in found))


def _word_faults(root: Path) -> list[Finding]:
    """The faults of the word list, of the speech acts and of the list of communes, where a folder has them."""
    from bot.nlu import acts, communes, places, words  # noqa: PLC0415 - only these commands need that room

    found: list[Finding] = []
    if (root / "communes.tsv").is_file():
        found += communes.read(root / "communes.tsv", places.called(root), root=root)
    if not (root / "words.yml").is_file():
        return found
    lexicon, faults = words.read(root / "words.yml", root=root)
    spoken = acts.read(root / "acts.yml", lexicon, root=root)[1] if (root / "acts.yml").is_file() else ()
    return [*found, *faults, *spoken]


@kb.command()
@click.argument("text", nargs=-1, required=True)
@click.option("--asked", is_flag=True, help="Như khi OSSO vừa hỏi chị ở đâu.")
@click.pass_obj
def place(tools: Tools, text: tuple[str, ...], asked: bool) -> None:
    """Xã, phường, huyện trong câu này nay thuộc đâu, tỉnh nào, văn phòng OSSO nào."""
    from bot.nlu import homes, load_places, named  # noqa: PLC0415 - only these commands need that room

    said = " ".join(text)
    known = _shelf(tools).knowledge.provinces
    places = load_places(tools.root)
    spots = named(said, places, asked=asked)
    for spot in spots:
        click.echo(f"“{said[spot.start : spot.end]}”: {', '.join(known[name].name for name in spot.provinces)}")
        for row in spot.rows[:MOST_PLACES]:
            was = ", ".join(filter(None, (row.old, row.district, row.old_province)))
            now = ", ".join(filter(None, (row.now, row.province)))
            click.echo(f"  {was or 'tên mới'} → {now}{f' ({row.note})' if row.note else ''}")
        if len(spot.rows) > MOST_PLACES:
            click.echo(f"  … và {len(spot.rows) - MOST_PLACES} nơi khác")
        if len(spot.provinces) > 1:
            click.echo("  Nhiều tỉnh có tên này: OSSO sẽ hỏi lại.")
        elif office := office_for(homes(spot, places)[0], known):
            click.echo(f"  Văn phòng: {office}")
    if not spots:
        click.echo("Không thấy xã, phường, huyện nào trong câu này.")


@kb.command()
@click.option("--folds", default=5, show_default=True, help="Chia câu hỏi làm mấy phần để giấu; 0 = bỏ qua cho nhanh.")
@click.option("--least", default=0.95, show_default=True, help="Tỉ lệ đúng tối thiểu của câu đã viết.")
@click.option("--least-new", default=0.0, show_default=True, help="Tỉ lệ đúng tối thiểu của câu bị giấu.")
@click.option("--save", is_flag=True, help="Giữ kết quả làm mốc so sánh.")
@click.pass_obj
def test(tools: Tools, folds: int, least: float, least_new: float, save: bool) -> None:
    """Mỗi câu hỏi có tìm về đúng bài của nó không: viết đúng, bỏ dấu, và khi bị giấu đi?"""
    held = list(_shelf(tools).knowledge.articles.values())
    train = tools.train or learner(tools.root)
    reader = train(held)
    written = trial.as_written(held, reader)
    bare = trial.without_marks(held, reader)
    hidden = trial.left_out(held, train, folds=folds) if folds else []
    tables = [trial.by_article(answered) for answered in (written, bare, hidden)]
    click.echo("viết đúng  bỏ dấu  bị giấu  bài  ← nhầm sang")
    for name in sorted(tables[1], key=lambda name: [table[name].top1 for table in tables[1:] if table]):
        shares = "  ".join(f"{table[name].top1:7.1%}" if table else "      -" for table in tables)
        confused = ", ".join(f"{other} ×{count}" for other, count in (tables[2] or tables[1])[name].confused[:5])
        click.echo(f"{shares}  {name}{'  ← ' + confused if confused else ''}")
    totals = [trial.score(answered) for answered in (written, bare, hidden)]
    for title, total in zip(("viết đúng", "bỏ dấu", "bị giấu"), totals, strict=True):
        click.echo(f"{title}: {total.asked} câu, đúng ngay {total.top1:.1%}, trong ba lựa chọn {total.top3:.1%}")
    golden = _golden(tools.root, reader)
    for one in golden:
        if not one.right and (one.wanted or one.band == "answer"):
            click.echo(f"câu mẫu sai: “{one.text}” → {one.winner} ({one.band}), cần {'|'.join(one.wanted) or '-'}")
    if wanted := [one for one in golden if one.wanted]:
        total = trial.score(wanted)
        click.echo(f"câu mẫu: {total.asked} câu, đúng ngay {total.top1:.1%}, trong ba lựa chọn {total.top3:.1%}")
    now = trial.winners([*written, *golden])
    if (tools.root / trial.WINNERS).exists():
        click.echo(f"Đổi bài hoặc đổi mức chắc chắn so với lần đăng trước: {_moved(tools.root, now)} câu")
    else:
        click.echo("Chưa có mốc để so sánh: máy chủ giữ mốc sau lần đăng đầu tiên, hoặc dùng osso kb mark.")
    if save:
        trial.save_winners(tools.root, now)
    sys.exit(min(totals[0].top1, totals[1].top1) < least or (folds > 0 and totals[2].top1 < least_new))


@kb.command()
@click.argument("ids", nargs=-1)
@click.pass_obj
def diff(tools: Tools, ids: tuple[str, ...]) -> None:
    """Bài trên đĩa khác bản chị em đang nhận ở chỗ nào."""
    shelf = _shelf(tools)
    record = _approvals(tools)
    for article in _chosen(shelf, ids):
        acts = [act for act in record.of(article.id) if act.act in ("published", "withdrawn")]
        last = next((act for act in reversed(acts) if act.act == "published"), None)
        if last is None:
            click.echo(f"{article.id}: chưa đăng lần nào")
            continue
        if acts[-1].act == "withdrawn":
            click.echo(f"{article.id}: đã rút {acts[-1].on}, không ai nhận được; bản đăng cuối cùng:")
        now = write_article(article)
        lines = unified_diff(
            without_review(last.text), without_review(now), f"đã đăng {last.on}", "trên đĩa", "", "", 1, ""
        )
        text = "\n".join(lines)
        if text:
            click.echo(text)


@kb.command()
@click.argument("ids", nargs=-1, required=True)
@click.option("--by", required=True, help="Ai viết bản này.")
@click.pass_obj
def submit(tools: Tools, ids: tuple[str, ...], by: str) -> None:
    """Ghi ai đã viết bản này và gửi đi duyệt."""
    for article in _done(lambda: deeds.submit(_press(tools), ids, by=by)):
        click.echo(f"{article.id} {article.hash}: {by} viết, chờ duyệt")


@kb.command()
@click.argument("ids", nargs=-1, required=True)
@click.option("--by", required=True, help="Người duyệt chuyên môn.")
@click.pass_obj
def review(tools: Tools, ids: tuple[str, ...], by: str) -> None:
    """Duyệt chuyên môn đúng bản đang có trên đĩa."""
    for article in _done(lambda: deeds.review(_press(tools), ids, by=by)):
        click.echo(f"{article.id} {article.hash}: {by} đã duyệt")


@kb.command("return")
@click.argument("ids", nargs=-1, required=True)
@click.option("--by", required=True, help="Người duyệt.")
@click.option("--remark", required=True, help="Cần sửa gì.")
@click.pass_obj
def return_(tools: Tools, ids: tuple[str, ...], by: str, remark: str) -> None:
    """Trả lại cho người viết, kèm lời nhắn cần sửa gì."""
    for article in _done(lambda: deeds.send_back(_press(tools), ids, by=by, remark=remark)):
        click.echo(f"{article.id} {article.hash}: {by} trả lại để sửa")


@kb.command()
@click.argument("ids", nargs=-1, required=True)
@click.option("--by", required=True, help="Người đăng.")
@click.pass_obj
def publish(tools: Tools, ids: tuple[str, ...], by: str) -> None:
    """Đăng những bài đã duyệt. Có một bài chưa được thì không bài nào được đăng."""
    for article in _done(lambda: deeds.publish(_press(tools), ids, by=by)):
        click.echo(f"{article.id} {article.hash}: đã đăng")


@kb.command()
@click.pass_obj
def mark(tools: Tools) -> None:
    """Giữ lại câu nào về bài nào, để lần sau biết câu nào đổi. Máy chủ tự làm sau mỗi lần đăng."""
    held = list(_shelf(tools).knowledge.articles.values())
    reader = (tools.train or learner(tools.root, cache=tools.cache))(held)
    now = trial.winners([*trial.as_written(held, reader), *_golden(tools.root, reader)])
    since = governance.last_published(tools.approvals().all()) if tools.approvals else ""
    trial.save_winners(tools.root, now, since=since)
    click.echo(f"{len(now)} câu → {tools.root / trial.WINNERS}")


@kb.command()
@click.argument("ids", nargs=-1, required=True)
@click.option("--by", required=True, help="Người rút bài.")
@click.pass_obj
def withdraw(tools: Tools, ids: tuple[str, ...], by: str) -> None:
    """Rút bài đang đăng: từ lúc này không ai nhận được nữa."""
    for article in _done(lambda: deeds.withdraw(_press(tools), ids, by=by)):
        click.echo(f"{article.id}: đã rút")


@kb.command()
@click.option("--days", default=60, show_default=True, help="Trong bao nhiêu ngày tới.")
@click.pass_obj
def stale(tools: Tools, days: int) -> None:
    """Bài hết hạn (tự rút) và sắp hết hạn, bản đang đăng khác chữ trên đĩa, số điện thoại lâu chưa kiểm chứng lại."""
    shelf = _shelf(tools)
    today = tools.now().date()
    acts = tools.approvals().all() if tools.approvals else []
    last = {act.article: act for act in acts if act.act == "published"}
    live = {name: last[name] for name, _ in governance.approved(acts)}
    for article in sorted(shelf.knowledge.articles.values(), key=lambda held: (held.valid_until, held.id)):
        _tell_age(article, today, days, "")
        act = live.get(article.id)
        if act and act.hash != article.hash:
            click.echo(
                f"{act.on[:10]}  {article.id}: chị em nhận bản đăng ngày này; chữ mới trên đĩa chờ duyệt và đăng"
            )
            if older := version(article.id, act.hash, act.text):
                _tell_age(older, today, days, " (bản đang đăng)")
        elif not act and tools.approvals and article.status == "published":
            click.echo(f"{article.valid_until}  {article.id}: ghi đã đăng nhưng chưa đủ duyệt, không ai nhận được")
    for contact in (*shelf.knowledge.referrals.values(), *shelf.knowledge.offices.values()):
        if contact.stale(today, days=VERIFIED):
            click.echo(f"{contact.verified_on or 'chưa rõ':10}  {contact.id}: số {contact.number} cần kiểm chứng lại")


def _tell_age(article: Article, today: date, days: int, which: str) -> None:
    if not article.valid(today):
        click.echo(f"{article.valid_until}  {article.id}{which}: HẾT HẠN, đã tự rút")
    elif article.valid_until - today <= timedelta(days=days):
        click.echo(f"{article.valid_until}  {article.id}{which}: sắp hết hạn")


@kb.command()
@click.pass_obj
def stats(tools: Tools) -> None:
    """Bao nhiêu bài, câu hỏi, tình trạng, theo chủ đề."""
    held = list(_shelf(tools).knowledge.articles.values())
    for topic in TOPICS:
        mine = [article for article in held if article.topic == topic]
        status = Counter(article.status for article in mine)
        asked = sum(len(article.questions) for article in mine)
        states = ", ".join(f"{name} {count}" for name, count in sorted(status.items()))
        click.echo(f"{topic:14} {len(mine):4} bài  {asked:5} câu hỏi  {states}")
    questions = sorted(len(article.questions) for article in held)
    middle = questions[len(questions) // 2] if questions else 0
    fewest = questions[0] if questions else 0
    click.echo(f"{'tất cả':14} {len(held):4} bài  {sum(questions):5} câu hỏi, ít nhất {fewest}, giữa {middle}")


@kb.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def export_(tools: Tools, file: Path) -> None:
    """Xuất mọi bài ra một tệp .csv hoặc .xlsx, mỗi câu một dòng."""
    held = _shelf(tools).knowledge.articles.values()
    match file.suffix.lower():
        case ".csv":
            data = sheets.write_csv(held)
        case ".xlsx":
            data = sheets.write_xlsx(held)
        case _:
            raise click.ClickException("Tên tệp phải kết thúc bằng .csv hoặc .xlsx.")
    file.write_bytes(data)
    click.echo(f"{len(held)} bài → {file}")


@kb.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Ghi thật. Không có thì chỉ cho xem.")
@click.option("--remove", is_flag=True, help="Xóa cả những bài không có trong tệp.")
@click.pass_obj
def import_(tools: Tools, file: Path, yes: bool, remove: bool) -> None:
    """Nhập bài từ tệp đã xuất. Được tất cả hoặc không gì cả; bài đổi chữ trở lại thành nháp."""
    shelf = _shelf(tools)
    seen = {name: fingerprint(tools.root / name) for name in shelf.files.values()}
    plan = sheets.plan(file, shelf)
    _refuse(plan.findings)
    for article in plan.add:
        click.echo(f"thêm  {article.id}: {article.title}")
    for old, new in plan.change:
        click.echo(f"đổi   {old.id}: {', '.join(sheets.difference(old, new))}")
    for article in plan.remove:
        click.echo(f"{'xóa' if remove else 'vắng'}   {article.id}{'' if remove else ' (giữ lại; muốn xóa: --remove)'}")
    click.echo(f"giữ nguyên {plan.same} bài")
    wanted = plan.files(shelf, removing=remove)
    _refuse(sheets.after(tools.root, wanted, today=tools.now().date()))
    if not yes:
        click.echo("Chưa ghi gì. Thêm --yes để ghi.")
        return
    try:
        save_all(tools.root, {name: (raw, seen.get(name, "")) for name, raw in wanted.items()})
    except (Refused, ContentError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Đã ghi {len(wanted)} tệp.")


@kb.command()
def schema() -> None:
    """JSON Schema của một bài, để trình soạn thảo gợi ý và gạch đỏ."""
    click.echo(schema_text(), nl=False)


def schema_text() -> str:
    """The text of `knowledge/article.schema.json`."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Bài trả lời của OSSO"}
    return json.dumps(head | json_schema(articles.ARTICLE), ensure_ascii=False, indent=2) + "\n"


def _shelf(tools: Tools) -> Shelf:
    shelf = read(tools.root)
    _refuse(shelf.grave)
    return shelf


def _chosen(shelf: Shelf, ids: Iterable[str]) -> list[Article]:
    held = shelf.knowledge.articles
    if unknown := [name for name in ids if name not in held]:
        raise click.ClickException(f"Không có bài: {', '.join(unknown)}")
    return [held[name] for name in ids] or list(held.values())


def _approvals(tools: Tools) -> Approvals:
    if not tools.approvals:
        raise click.ClickException("Lệnh này cần cơ sở dữ liệu: chưa được nối.")
    return tools.approvals()


def _press(tools: Tools) -> deeds.Press:
    return deeds.Press(tools.root, _approvals(tools), tools.people() if tools.people else {}, tools.now)


def _done(deed: Callable[[], list[Article]]) -> list[Article]:
    """Does it, or prints what stands in the way and stops."""
    try:
        return deed()
    except ContentError as error:
        _refuse(error.findings)
        raise
    except Refused as error:
        raise click.ClickException(str(error)) from error


def _golden(root: Path, reader: trial.Reader) -> list[trial.Answered]:
    if not (root / GOLDEN).exists():
        return []
    golden, findings = trial.read_golden(root / GOLDEN)
    _refuse(findings)
    return [trial.ask(reader, one.text, one.wanted) for one in golden]


def _moved(root: Path, now: trial.Winners) -> int:
    """Prints what changed since the last publishing and counts it."""
    before = trial.read_winners((root / trial.WINNERS).read_text("utf-8"))
    moved = trial.changed(before, now)
    for text, (winner, band), (new, new_band) in moved:
        click.echo(f"đổi: “{text}” {winner} ({band}) → {new} ({new_band})")
    return len(moved)


def _print(found: Iterable[Finding], *, as_json: bool = False) -> None:
    for one in found:
        click.echo(json.dumps(asdict(one), ensure_ascii=False) if as_json else str(one))


def _refuse(found: Iterable[Finding]) -> None:
    """Prints what stands in the way and stops; does nothing when nothing does."""
    if errors := [one for one in found if one.severity == "error"]:
        _print(errors)
        raise click.ClickException(f"Không làm được: {len(errors)} lỗi.")
