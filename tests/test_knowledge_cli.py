from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from shutil import copyfile

import pytest
from click.testing import CliRunner, Result
from openpyxl import load_workbook
from rapidfuzz import fuzz

from bot.knowledge import Approval, Article, Editor, examples, governance, load
from bot.knowledge.trial import families, left_out, measured_since, read_golden, score
from bot.knowledge_cli import Tools, kb, learner
from bot.messages import Candidate, Reading
from tests.knowledge_sample import ARTICLE, REAL, changed, put, sample

NOW = datetime(2026, 11, 25, 8, tzinfo=timezone(timedelta(hours=7)))
PEOPLE: Mapping[str, Editor] = {
    "mai": Editor("mai", frozenset({"legal"})),
    "lan": Editor("lan", frozenset({"legal"})),
    "hoa": Editor("hoa", frozenset({"psychological"})),
    "thu": Editor("thu", frozenset(), publishes=True),
}


class Record:
    """A record of approvals kept in memory."""

    def __init__(self) -> None:
        self.acts: list[Approval] = []

    def of(self, article: str) -> Sequence[Approval]:
        return [act for act in self.acts if act.article == article]

    def all(self) -> Sequence[Approval]:
        return list(self.acts)

    def add(self, approval: Approval) -> None:
        self.acts.append(approval)


class Nearest:
    """A small reader of texts: the article of the likest question."""

    def __init__(self, articles: Sequence[Article]) -> None:
        self.known = examples(articles)

    def __call__(self, text: str) -> Reading:
        likeness = {article: 0.0 for _, article in self.known}
        for question, article in self.known:
            likeness[article] = max(likeness[article], fuzz.token_set_ratio(text, question) / 100)
        best = sorted(likeness.items(), key=lambda item: -item[1])
        candidates = tuple(Candidate(article, "", value) for article, value in best)
        return Reading(text, text, candidates=candidates, band="answer" if best[0][1] > 0.6 else "unknown")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "knowledge").mkdir()
    return sample(tmp_path / "knowledge")


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def tools(root: Path, record: Record) -> Tools:
    return Tools(root, lambda: NOW, lambda: record, lambda: PEOPLE, Nearest)


def run(tools: object, *words: str) -> Result:
    return CliRunner().invoke(kb, list(words), obj=tools)


def test_check_reads_the_words_and_the_acts_as_well(tools: Tools, root: Path) -> None:
    copyfile(REAL / "words.yml", root / "words.yml")
    copyfile(REAL / "acts.yml", root / "acts.yml")
    assert "words.yml" not in run(tools, "check").output
    (root / "words.yml").write_text("short: 3\n", "utf-8")
    (root / "acts.yml").write_text("greeting: [\n", "utf-8")
    told = run(tools, "check")
    assert told.exit_code == 1
    assert "words.yml:1" in told.output
    assert "acts.yml:" in told.output


def test_check_tells_and_counts(tools: Tools, root: Path) -> None:
    sound = run(tools, "check")
    assert sound.exit_code == 0
    assert "general/gen-hai.yml:4: warning [few-questions]" in sound.output
    assert "0 lỗi, 1 nhắc nhở" in sound.output
    put(root, "legal/leg-mot.yml", changed("  - Gom giấy", "  - Chị phải chịu thôi"))
    broken = run(tools, "check", "--json")
    assert broken.exit_code == 1
    found = [json.loads(line) for line in broken.output.splitlines()]
    assert [(one["file"], one["code"], one["severity"]) for one in found][-1] == (
        "legal/leg-mot.yml",
        "wording",
        "error",
    )


def test_the_tools_may_come_from_a_function_or_a_folder(tools: Tools, root: Path) -> None:
    assert "tất cả" in run(lambda: tools, "stats").output
    assert "   2 bài" in run(None, "--root", str(root), "stats").output


def test_from_draft_to_published_and_back(tools: Tools, root: Path, record: Record) -> None:
    assert run(tools, "review", "leg-mot", "--by", "lan").exit_code == 1, "nobody wrote it yet"
    assert run(tools, "submit", "leg-mot", "--by", "mai").exit_code == 0
    own = run(tools, "review", "leg-mot", "--by", "mai")
    assert own.exit_code == 1
    assert "không được tự duyệt" in own.output
    assert "không có chuyên môn" in run(tools, "review", "leg-mot", "--by", "hoa").output
    early = run(tools, "publish", "leg-mot", "--by", "thu")
    assert early.exit_code == 1
    assert "chưa có người duyệt" in early.output
    assert run(tools, "review", "leg-mot", "--by", "lan").exit_code == 0
    assert load(root).articles["leg-mot"].review.status == "reviewed"
    assert run(tools, "publish", "leg-mot", "--by", "lan").exit_code == 1, "lan may not publish"
    assert run(tools, "publish", "leg-mot", "--by", "thu").exit_code == 0
    held = load(root).articles["leg-mot"]
    assert (held.review.status, held.review.by, held.review.on) == ("published", "lan", "2026-11-25")
    assert [act.act for act in record.acts] == ["wrote", "reviewed", "published"]
    assert {act.hash for act in record.acts} == {held.hash}
    assert "OSSO sẽ xác nhận lại" in record.acts[-1].text

    assert run(tools, "diff", "leg-mot").output == ""
    path = root / "legal/leg-mot.yml"
    path.write_text(path.read_text().replace("Gom giấy", "Gom đủ giấy"))
    told = run(tools, "diff", "leg-mot").output
    assert "-  - Gom giấy" in told
    assert "+  - Gom đủ giấy" in told
    assert "leg-mot: chị em nhận bản đăng ngày này; chữ mới trên đĩa" in run(tools, "stale").output
    assert "leg-mot (bản đang đăng): sắp hết hạn" in run(tools, "stale", "--days", "99").output
    assert run(tools, "publish", "leg-mot", "--by", "thu").exit_code == 1, "the new words were not reviewed"

    assert run(tools, "withdraw", "leg-mot", "--by", "thu").exit_code == 0
    assert load(root).articles["leg-mot"].status == "draft"
    assert (record.acts[-1].act, record.acts[-1].hash) == ("withdrawn", held.hash), "what was out is what is withdrawn"
    assert governance.approved(record.acts) == frozenset()
    assert "đã rút" in run(tools, "diff", "leg-mot").output
    assert "chị em nhận" not in run(tools, "stale").output


def test_a_reviewer_sends_back_with_a_remark(tools: Tools, root: Path, record: Record) -> None:
    early = run(tools, "return", "leg-mot", "--by", "thu", "--remark", "Thiếu bước")
    assert "chưa được gửi duyệt" in early.output
    run(tools, "submit", "leg-mot", "--by", "mai")
    run(tools, "review", "leg-mot", "--by", "lan")
    assert run(tools, "return", "leg-mot", "--by", "lan", "--remark", "x").exit_code == 1, "lan may not publish"
    assert run(tools, "return", "leg-mot", "--by", "thu", "--remark", " ").exit_code == 1, "a remark is wanted"
    assert run(tools, "return", "leg-mot", "--by", "thu", "--remark", "Thiếu bước dịch giấy").exit_code == 0
    assert record.acts[-1].remark == "Thiếu bước dịch giấy"
    assert load(root).articles["leg-mot"].status == "draft"
    refused = run(tools, "publish", "leg-mot", "--by", "thu")
    assert "chưa có người duyệt" in refused.output, "the review from before counts no more"
    run(tools, "submit", "leg-mot", "--by", "mai")
    assert run(tools, "review", "leg-mot", "--by", "lan").exit_code == 0
    assert run(tools, "publish", "leg-mot", "--by", "thu").exit_code == 0
    assert "đã đăng" in run(tools, "return", "leg-mot", "--by", "thu", "--remark", "x").output


def test_the_mark_names_the_publishing_it_was_measured_after(tools: Tools, root: Path, record: Record) -> None:
    assert run(tools, "mark").exit_code == 0
    assert measured_since(root) == ""
    run(tools, "submit", "leg-mot", "--by", "mai")
    run(tools, "review", "leg-mot", "--by", "lan")
    run(tools, "publish", "leg-mot", "--by", "thu")
    assert "17 câu" in run(tools, "mark").output
    assert measured_since(root) == governance.last_published(record.acts)
    assert measured_since(root).startswith("leg-mot ")
    assert "0 câu" in run(tools, "test", "--folds", "0", "--least", "0").output
    text = (root / "winners.tsv").read_text().replace("\tleg-mot\t", "\tgen-hai\t", 1)
    put(root, "winners.tsv", text)
    assert "gen-hai (answer) → leg-mot (answer)" in run(tools, "test", "--folds", "0", "--least", "0").output


def test_publishing_is_all_or_nothing(tools: Tools, root: Path, record: Record) -> None:
    run(tools, "submit", "leg-mot", "gen-hai", "--by", "mai")
    run(tools, "review", "leg-mot", "--by", "lan")
    before = (root / "legal/leg-mot.yml").read_bytes()
    assert run(tools, "publish", "leg-mot", "gen-hai", "--by", "thu").exit_code == 1
    assert (root / "legal/leg-mot.yml").read_bytes() == before
    assert "published" not in {act.act for act in record.acts}


def test_unknown_names_and_missing_parts_are_said(tools: Tools, root: Path) -> None:
    assert "Không có bài: leg-vang" in run(tools, "submit", "leg-vang", "--by", "mai").output
    assert "Không có tài khoản" in run(tools, "submit", "leg-mot", "--by", "ai").output
    assert "chưa được nối" in run(Tools(root), "submit", "leg-mot", "--by", "mai").output
    assert "chưa đăng lần nào" in run(tools, "diff").output


def test_stale_lists_what_left_and_what_will(tools: Tools, root: Path) -> None:
    put(root, "legal/leg-mot.yml", changed("2027-02-28", "2026-12-01"))
    assert "leg-mot: sắp hết hạn" in run(tools, "stale").output
    put(root, "legal/leg-mot.yml", changed("2027-02-28", "2026-11-24"))
    assert "leg-mot: HẾT HẠN" in run(tools, "stale").output


def test_export_then_import(tools: Tools, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "bai.xlsx"
    assert "2 bài" in run(tools, "export", str(file)).output
    book = load_workbook(file)
    page = book.worksheets[0]
    for row in page.iter_rows():
        if row[3].value == "Gom giấy":
            row[3].value = "Gom đủ giấy"
    book.save(file)
    before = (root / "legal/leg-mot.yml").read_bytes()
    dry = run(tools, "import", str(file))
    assert dry.exit_code == 0
    assert "đổi   leg-mot: steps" in dry.output
    assert "Chưa ghi gì" in dry.output
    assert (root / "legal/leg-mot.yml").read_bytes() == before
    assert "Đã ghi 1 tệp" in run(tools, "import", str(file), "--yes").output
    assert load(root).articles["leg-mot"].steps[0] == "Gom đủ giấy"
    assert run(tools, "export", str(tmp_path / "bai.doc")).exit_code == 1


def test_import_refuses_words_the_house_does_not_use(tools: Tools, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "bai.csv"
    run(tools, "export", str(file))
    file.write_text(file.read_text("utf-8-sig").replace("Gom giấy", "Chị phải chịu thôi"), "utf-8-sig")
    before = (root / "legal/leg-mot.yml").read_bytes()
    result = run(tools, "import", str(file), "--yes")
    assert result.exit_code == 1
    assert "[wording]" in result.output
    assert (root / "legal/leg-mot.yml").read_bytes() == before


def test_import_removes_only_when_told(tools: Tools, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "bai.csv"
    put(root, "legal/leg-mot.yml", changed("follow_ups:\n  - gen-hai\n", ""))
    put(root, "child/chi-ba.yml", ARTICLE.replace("leg-mot", "chi-ba"))
    (root / "child/chi-ba.yml").unlink()
    run(tools, "export", str(file))
    rows = [line for line in file.read_text("utf-8-sig").splitlines() if not line.startswith("gen-hai")]
    rows = [line for line in rows if "follow_ups" not in line]
    file.write_text("\n".join(rows), "utf-8-sig")
    kept = run(tools, "import", str(file), "--yes")
    assert "vắng   gen-hai" in kept.output
    assert (root / "general/gen-hai.yml").exists()
    gone = run(tools, "import", str(file), "--yes", "--remove")
    assert "xóa   gen-hai" in gone.output
    assert not (root / "general/gen-hai.yml").exists()


def test_import_refuses_a_removal_that_leaves_a_dead_link(tools: Tools, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "bai.csv"
    run(tools, "export", str(file))
    rows = [line for line in file.read_text("utf-8-sig").splitlines() if not line.startswith("gen-hai")]
    file.write_text("\n".join(rows), "utf-8-sig")
    result = run(tools, "import", str(file), "--yes", "--remove")
    assert result.exit_code == 1
    assert "[dead-link]" in result.output
    assert (root / "general/gen-hai.yml").exists()


def test_the_trial_prints_each_article_with_what_won_instead(tools: Tools, root: Path) -> None:
    put(root, "golden.tsv", "# câu mẫu\nghi chú ly hôn ở đâu\tleg-mot\nxe máy bán bao nhiêu\t-\n")
    result = run(tools, "test", "--least", "0", "--save")
    assert result.exit_code == 0
    assert " 100.0%" in next(line for line in result.output.splitlines() if "  leg-mot" in line)
    assert "viết đúng: 17 câu, đúng ngay 100.0%, trong ba lựa chọn 100.0%" in result.output
    assert "bỏ dấu: 17 câu" in result.output
    assert "bị giấu: 17 câu" in result.output
    assert "câu mẫu: 1 câu, đúng ngay 100.0%" in result.output
    assert (root / "winners.tsv").read_text().count("\t") == 2 * 19
    assert run(tools, "test", "--least", "0", "--least-new", "1").exit_code == 1
    assert run(tools, "test", "--least", "1.01").exit_code == 1
    put(root, "winners.tsv", "ghi chú ly hôn ở đâu\tgen-hai\tanswer\n")
    moved = run(tools, "test", "--least", "0").output
    assert "đổi: “ghi chú ly hôn ở đâu” gen-hai (answer) → leg-mot (answer)" in moved
    assert "so với lần đăng trước: 1 câu" in moved


def test_without_hiding_the_trial_is_quick(tools: Tools) -> None:
    result = run(tools, "test", "--folds", "0", "--least-new", "1")
    assert result.exit_code == 0
    assert "      -  leg-mot" in result.output
    assert "bị giấu: 0 câu" in result.output


def test_the_bots_own_reader_is_taught_when_none_is_given(root: Path) -> None:
    copyfile(REAL / "words.yml", root / "words.yml")
    put(root, "out_of_scope.tsv", "chat\thôm nay trời đẹp quá\nadvert\tbán xe máy cũ\n")
    reader = learner(root)(list(load(root).articles.values()))
    reading = reader("ghi chu ly hon lam o dau")
    assert reading.exact
    assert reading.candidates[0].article == "leg-mot"


def test_a_left_out_question_is_never_learned(root: Path) -> None:
    held = list(load(root).articles.values())
    asked: list[str] = []

    def train(articles: Sequence[Article]) -> Nearest:
        reader = Nearest(articles)
        known = {question for article in articles for question in article.questions}
        left = {question for article in held for question in article.questions} - known
        asked.extend(left)
        return reader

    answered = left_out(held, train, folds=3)
    assert sorted(asked) == sorted(one.text for one in answered)
    assert len(answered) == sum(len(article.questions) for article in held)
    assert 0 <= score(answered).top1 <= score(answered).top3 <= 1


def test_near_copies_are_one_family() -> None:
    groups = families(["em muốn ly hôn", "xin việc ở đâu", "Em muốn ly hôn ạ", "muốn ly hôn em", "mất hộ chiếu"])
    assert sorted(map(sorted, groups)) == [
        ["Em muốn ly hôn ạ", "em muốn ly hôn", "muốn ly hôn em"],
        ["mất hộ chiếu"],
        ["xin việc ở đâu"],
    ]


def test_a_bad_golden_line_is_told(tmp_path: Path) -> None:
    path = tmp_path / "golden.tsv"
    path.write_text("câu\tleg-mot|gen-hai\nthiếu mã bài\nthiếu nữa\t\n")
    golden, findings = read_golden(path)
    assert golden[0].wanted == ("leg-mot", "gen-hai")
    assert [(one.line, one.code) for one in findings] == [(2, "golden"), (3, "golden")]


def test_schema_is_printed(tools: Tools) -> None:
    schema = json.loads(run(tools, "schema").output)
    assert schema["additionalProperties"] is False
    assert "questions" in schema["required"]
