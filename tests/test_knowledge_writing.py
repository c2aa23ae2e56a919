from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import yamlfile
from bot.errors import ContentError, Refused
from bot.knowledge import Article, fingerprint, load, save, save_all, write_article
from bot.knowledge.articles import article as build
from tests.knowledge_sample import ARTICLE, SECOND, changed, sample

FILE = "legal/leg-mot.yml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return sample(tmp_path)


def again(of: Article) -> Article:
    """The article after being written and read."""
    document, findings = yamlfile.parse(write_article(of).encode(), f"{of.topic}/{of.id}.yml")
    assert document is not None
    assert findings == []
    made, faults = build(document, of.topic)
    assert made is not None, faults
    return made


def test_a_written_article_reads_back_the_same(root: Path) -> None:
    held = load(root).articles.values()
    assert len(held) == 2
    for one in held:
        assert again(one) == one
        assert write_article(again(one)) == write_article(one)


def test_the_house_layout(root: Path) -> None:
    text = write_article(load(root).articles["leg-mot"])
    assert text.startswith(
        "id: leg-mot\ntitle: Làm giấy ghi chú ly hôn ở đâu?\nshort: Ghi chú ly hôn\nquestions:\n  - ghi"
    )
    assert "    - value: korea\n      label: Hàn Quốc\n      answer:\n        - Giấy Hàn" in text
    assert "    - value:\n        - taiwan\n        - china\n      label: Đài Loan" in text
    assert "sources:\n  - law: Luật Hôn nhân và gia đình 2014\n    article: Điều 125\n" in text
    assert text.endswith("review:\n  status: draft\nvalid_until: 2027-02-28\n")
    assert "\t" not in text
    assert "sources: []" in write_article(load(root).articles["gen-hai"])


LINE = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn"), exclude_characters="\u2028\u2029"),
    min_size=1,
    max_size=40,
).filter(str.strip)
AWKWARD = st.sampled_from(
    [
        *("no", "null", "~", "true", "12", "1.5", "0123", "2027-02-28", "=1+1"),
        *("- gạch", "a: b", "a:", "#thẻ", "a #b", "“x”: y", "'", '"', "\\", "?", ":", "? a", "---", "...", "<<"),
        *("[x]", "{x", "&neo", "*neo", "!thẻ", "|", ">", "%", "@", "`", " đầu", "cuối ", "hai\ndòng"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(LINE | AWKWARD, min_size=5, max_size=8), LINE | AWKWARD)
def test_any_text_survives_writing(lines: list[str], where: str) -> None:
    document, _ = yamlfile.parse(ARTICLE.encode(), FILE)
    assert document is not None
    one, _ = build(document, "legal")
    assert one is not None
    odd = replace(one, questions=tuple(lines), where=where)
    document, findings = yamlfile.parse(write_article(odd).encode(), FILE)
    assert document is not None, findings
    assert tuple(document.data["questions"]) == odd.questions
    assert document.data["where"] == where


def test_saving_puts_the_whole_file_and_returns_its_name(root: Path) -> None:
    text = changed("  - Gom giấy", "  - Gom đủ giấy").encode()
    seen = fingerprint(root / FILE)
    now = save(root, FILE, text, seen=seen)
    assert (root / FILE).read_bytes() == text
    assert now == fingerprint(root / FILE) != seen
    assert sorted(path.name for path in (root / "legal").iterdir()) == ["leg-mot.yml"], "no scrap is left"


def test_the_second_of_two_editors_is_refused_and_told(root: Path) -> None:
    seen = fingerprint(root / FILE)
    first = changed("  - Gom giấy", "  - Gom giấy A").encode()
    save(root, FILE, first, seen=seen)
    with pytest.raises(Refused, match="vừa được người khác lưu"):
        save(root, FILE, changed("  - Gom giấy", "  - Gom giấy B").encode(), seen=seen)
    assert (root / FILE).read_bytes() == first


def test_of_many_editors_at_once_exactly_one_wins(root: Path) -> None:
    seen = fingerprint(root / FILE)
    gate = threading.Barrier(8)
    won: list[int] = []
    lost: list[str] = []

    def edit(number: int) -> None:
        gate.wait()
        try:
            save(root, FILE, changed("  - Gom giấy", f"  - Gom giấy {number}").encode(), seen=seen)
            won.append(number)
        except Refused as refused:
            lost.append(str(refused))

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(lost) == 7
    assert f"Gom giấy {won[0]}" in (root / FILE).read_text()


def test_a_new_file_may_not_hide_an_old_one(root: Path) -> None:
    with pytest.raises(Refused):
        save(root, FILE, ARTICLE.encode(), seen="")
    save(root, "child/chi-ba.yml", ARTICLE.replace("leg-mot", "chi-ba").encode(), seen="")
    assert (root / "child/chi-ba.yml").exists()


@pytest.mark.parametrize(
    "name", ["../x.yml", "legal/../../x.yml", "legal/X.yml", "legal/a.txt", "style.yml", "/etc/x.yml"]
)
def test_only_articles_may_be_written(root: Path, name: str) -> None:
    with pytest.raises(Refused, match="không phải tên tệp"):
        save(root, name, ARTICLE.encode(), seen="")


def test_a_broken_article_is_never_written(root: Path) -> None:
    before = (root / FILE).read_bytes()
    with pytest.raises(ContentError) as caught:
        save(root, FILE, b"id: [", seen=fingerprint(root / FILE))
    assert caught.value.findings[0].code == "syntax"
    assert (root / FILE).read_bytes() == before


def test_several_files_are_saved_all_or_none(root: Path) -> None:
    seen = fingerprint(root / FILE)
    new = changed("  - Gom giấy", "  - Gom đủ giấy").encode()
    with pytest.raises(Refused):
        save_all(root, {FILE: (new, seen), "general/gen-hai.yml": (SECOND.encode(), "stale")})
    assert (root / FILE).read_text() == ARTICLE
    (root / "child").write_text("a file where a folder should be")
    with pytest.raises(Refused, match="vẫn như cũ"):
        save_all(
            root,
            {
                FILE: (new, seen),
                "general/gen-hai.yml": (None, fingerprint(root / "general/gen-hai.yml")),
                "child/chi-ba.yml": (ARTICLE.replace("leg-mot", "chi-ba").encode(), ""),
            },
        )
    assert (root / FILE).read_text() == ARTICLE
    assert (root / "general/gen-hai.yml").read_text() == SECOND
