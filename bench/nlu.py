"""How well messages are understood, printed so that anyone can repeat it: `python -m bench.nlu [--public FOLDER]`.

A quarter of the paraphrase families of every article is held out. A public folder holds `<set>/{train,test}.tsv`, each
line `label<TAB>text`; such sets are never shipped. Noise is drawn with a fixed seed.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from bot import yamlfile
from bot.nlu import Matcher, Words, load_acts, load_out_of_scope, load_places, load_words, normalise, syllable
from bot.nlu.features import BLOCK_WEIGHTS, learn
from bot.safety import Screen

ROOT = Path(__file__).parents[1] / "knowledge"
PEERS = """Peers, for comparison (their own sets, not this one):
  Rasa 3.6 default, 20 intents x 8: first right 63 % marked, 26 % stripped; 13 of 20 out of scope answered; 10 ms
  Rasa default, PhoATIS 94.3 / 74.0 (marked / stripped); PhoBERT JointIDSF 97.6 marked; kernel ridge 97.0 / 96.8
  few-shot notes, 198-intent public-service questions, 3 each: first right 82.8 %, among three 93.5 %"""
OTHERS = ROOT.parent / "tests" / "data" / "nlu"
ACTS = {
    "acts_b.tsv": "first author, read since",
    "acts_learn.tsv": "second author, learned from",
    "acts_judge.tsv": "second author, harder, learned from since",
    "acts_judge2.tsv": "third author, learned from since",
    "acts_learn2.tsv": "fourth author, learned from",
    "acts_learn3.tsv": "fifth author, learned from",
    "acts_learn4.tsv": "three more authors, learned from",
    "acts_judge3.tsv": "sixth author, never read",
    "acts_near.tsv": "questions that sound like acts",
}
HARMFUL = ("person", "stop", "delete")  # whoever is taken to say one of these is silenced, deleted or not answered
SHOTS, DRAWS = (3, 5, 10, 20, 100), 5  # messages of each label of a public set, and how often they are drawn
SAME_FAMILY = 0.5  # cosine of plain texts from which two questions are one paraphrase family
Pair = tuple[str, str]  # label, text


def stripped(text: str) -> str:
    return syllable.strip(unicodedata.normalize("NFC", text))


def half(text: str) -> str:
    draw = random.Random(text)  # noqa: S311 - noise, not secrecy
    return " ".join(stripped(word) if draw.random() < 0.5 else word for word in text.split())


def typos(text: str) -> str:
    """One edit in about every twelve letters."""
    draw = random.Random(text)  # noqa: S311 - noise, not secrecy
    out = []
    for char in text:
        if char.isalpha() and draw.random() < 1 / 12:
            other = draw.choice("aeioungthcmlsrb")
            out.append(draw.choice(("", other, char + other)))
        else:
            out.append(char)
    return "".join(out)


def swapped(table: dict[str, str]) -> Callable[[str], str]:
    pattern = re.compile(r"\b(" + "|".join(sorted(table, key=len, reverse=True)) + r")\b")
    return lambda text: pattern.sub(lambda match: table[match[0]], text.lower())


TEENCODE = {
    "không": "hok",
    "được": "dc",
    "gì": "j",
    "chồng": "ck",
    "rồi": "r",
    "giờ": "h",
    "vậy": "z",
    "em": "e",
    "biết": "bik",
    "với": "vs",
    "người": "ng",
    "muốn": "mún",
    "con": "kon",
    "làm": "lm",
    "trước": "trc",
    "cũng": "cx",
    "ly": "li",
    "bây": "b",
}
DIALECT = {
    "không": "hông",
    "gì": "chi",
    "đâu": "mô",
    "sao": "răng",
    "vậy": "rứa",
    "giờ": "chừ",
    "mẹ": "mạ",
    "tôi": "tui",
    "về": "dìa",
    "với": "dới",
    "bố": "ba",
    "vào": "dô",
}
CONDITIONS: dict[str, Callable[[str], str]] = {
    "as written": str, "stripped": stripped, "half": half, "teencode": swapped(TEENCODE), "dialect": swapped(DIALECT),
    "typos": typos, "NFD": lambda text: unicodedata.normalize("NFD", text),
}  # fmt: skip


def articles(root: Path) -> dict[str, dict[str, object]]:
    found = {}
    for path in sorted(root.glob("*/*.yml")):
        document, _ = yamlfile.read(path)
        if document and isinstance(document.data, dict) and "questions" in document.data:
            found[str(document.data["id"])] = {**document.data, "topic": path.parent.name}
    return found


def answer_text(article: dict[str, object]) -> str:
    parts = [article.get(key) or [] for key in ("answer", "documents", "steps")]
    return "\n".join(str(line) for part in parts if isinstance(part, list) for line in part)


def split(pairs: Sequence[Pair], words: Words) -> tuple[list[Pair], list[Pair]]:
    """(learned, held out): whole paraphrase families, every fourth of each label."""
    normal = [normalise(text, words) for _, text in pairs]
    view = learn([(n.plain_tokens, ()) for n in normal], window=1)
    near = view.blocks
    rows = view.encode([(n.plain_tokens, ()) for n in normal])
    equal = rows.weights / BLOCK_WEIGHTS[np.searchsorted(near[1:], rows.columns, side="right")]
    table = sparse.csr_matrix((equal, rows.columns, rows.starts), shape=(len(rows), view.size))
    telling = sparse.hstack([table[:, : near[1]], table[:, near[3] :]]).tocsr()  # words, neighbours, characters
    lengths = np.sqrt(np.asarray(telling.multiply(telling).sum(axis=1)).ravel())
    telling = telling.multiply(1 / np.maximum(lengths, 1e-9)[:, None]).tocsr()
    families = connected_components(telling @ telling.T > SAME_FAMILY, directed=False)[1]
    order: dict[str, list[int]] = defaultdict(list)
    for (label, _), family in zip(pairs, families.tolist(), strict=True):
        if family not in order[label]:
            order[label].append(family)
    held = {family for families_ in order.values() for family in families_[3::4]}
    sides: tuple[list[Pair], list[Pair]] = ([], [])
    for pair, family in zip(pairs, families.tolist(), strict=True):
        sides[family in held].append(pair)
    return sides


def judge(matcher: Matcher, pairs: Sequence[Pair], change: Callable[[str], str]) -> dict[str, float]:
    seen: Counter[str] = Counter()
    sure: list[tuple[float, bool]] = []
    for label, text in pairs:
        reading = matcher.read(change(text))
        names = [c.article for c in reading.candidates]
        right = names[:1] == [label]
        sure.append((reading.probability, right))
        seen["first"] += right
        seen["three"] += label in names[:3]
        seen[reading.band] += 1
        seen["wrong"] += reading.band == "answer" and not right
        seen["helped"] += (reading.band == "answer" and right) or (reading.band == "clarify" and label in names[:3])
    total = max(len(pairs), 1)
    bins = [[pair for pair in sure if int(min(pair[0], 0.999) * 10) == b] for b in range(10)]
    error = sum(abs(np.mean([p for p, _ in b]) - np.mean([r for _, r in b])) * len(b) for b in bins if b) / total
    return {
        "first": seen["first"] / total, "three": seen["three"] / total, "helped": seen["helped"] / total,
        "answered": seen["answer"] / total, "wrong": seen["wrong"] / max(seen["answer"], 1), "error": float(error),
    }  # fmt: skip


def table(matcher: Matcher, pairs: Sequence[Pair], title: str) -> None:
    print(f"\n{title} ({len(pairs)} messages)")
    print(
        f"  {'':12}{'first':>8}{'three':>8}{'right/option':>14}{'answered':>10}{'wrong of them':>15}{'calibration':>13}"
    )
    for name, change in CONDITIONS.items():
        j = judge(matcher, pairs, change)
        print(
            f"  {name:12}{j['first']:8.1%}{j['three']:8.1%}{j['helped']:14.1%}{j['answered']:10.1%}"
            f"{j['wrong']:15.1%}{j['error']:13.3f}"
        )


def public(folder: Path, words: Words) -> None:
    """Learns each set of the folder as it would the knowledge base, and says how often the first label is right."""
    for path in sorted(p for p in folder.iterdir() if (p / "train.tsv").exists()):
        train, test = (labelled(path / f"{side}.tsv") for side in ("train", "test"))
        questions: dict[str, list[str]] = defaultdict(list)
        for label, text in train:
            questions[label].append(text)
        started = time.process_time()
        matcher = Matcher.train(questions, {}, {}, words)
        spent = time.process_time() - started
        first = {name: judge(matcher, test, CONDITIONS[name])["first"] for name in CONDITIONS}
        print(f"  {path.name}: {len(train)} learned in {spent:.1f} s CPU, {len(test)} asked; "
              + ", ".join(f"{name} {share:.2%}" for name, share in first.items()))  # fmt: skip
        for shots in SHOTS:
            marked, bare = few(train, test, words, shots)
            print(f"    {shots:3} of each label, mean of {DRAWS} draws: {marked:.1%}, stripped {bare:.1%}")


def few(train: Sequence[Pair], test: Sequence[Pair], words: Words, shots: int) -> tuple[float, float]:
    """How often the first label is right, with marks and without, when at most so many messages of each are learned,
    drawn by chance."""
    shares = []
    for seed in range(DRAWS):
        draw, by_label = random.Random(seed), defaultdict[str, list[str]](list)  # noqa: S311 - chance, not secrecy
        for label, text in draw.sample(train, len(train)):
            if len(by_label[label]) < shots:
                by_label[label].append(text)
        matcher = Matcher.train(by_label, {}, {}, words)
        shares.append([judge(matcher, test, change)["first"] for change in (str, stripped)])
    marked, bare = np.mean(shares, axis=0).tolist()
    return marked, bare


def labelled(path: Path) -> list[Pair]:
    """The pairs of a file of a public set, a line each: label, a tab, the text."""
    lines = path.read_text("utf-8").splitlines()
    return [(label, text) for label, _, text in (line.partition("\t") for line in lines) if text.strip()]


def others(matcher: Matcher, known: Collection[str]) -> None:
    """Messages of the third author: questions with the articles that answer them, out-of-scope messages, acts."""
    print("\nMessages of an author who saw no question of ours")
    for name in ("questions_a.tsv", "questions_b.tsv", "questions_c.tsv"):
        rows = [row for row in _rows(OTHERS / name) if set(row[1].split("|")) <= set(known)]
        seen: Counter[str] = Counter()
        for text, wanted, *_ in rows:
            reading = matcher.read(text)
            named = [candidate.article for candidate in reading.candidates[:3]]
            right = bool(set(named[:1]) & set(wanted.split("|")))
            seen["answered"] += reading.band == "answer"
            seen["wrong"] += reading.band == "answer" and not right
            seen["helped"] += (
                right if reading.band == "answer"
                else reading.band == "clarify" and bool(set(named) & set(wanted.split("|")))
            )  # fmt: skip
        helped, told = seen["helped"] / len(rows), seen["answered"] / len(rows)
        wrong = seen["wrong"] / max(seen["answered"], 1)
        print(f"  {name:16} right/option {helped:.1%}, answered {told:.1%}, wrong of them {wrong:.1%}")
    outside = [matcher.read(text) for text, _ in _rows(OTHERS / "oos.tsv")]
    told = sum(reading.band == "answer" and not reading.act for reading in outside) / len(outside)
    print(f"  out of scope: {told:.1%} answered")
    for name, what in ACTS.items():
        rows = _rows(OTHERS / name)
        heard = [(act, matcher.read(text).act or "none") for text, act in rows]
        same, total = Counter(act for act, own in heard if own == act), Counter(act for act, _ in heard)
        shares = ", ".join(f"{act} {same[act]}/{total[act]}" for act in sorted(total))
        print(f"  speech acts, {what}: {same.total() / len(rows):.1%} ({shares})")
        harm = sum(own in HARMFUL for act, own in heard if act == "none")
        print(f"    real questions taken for {', '.join(HARMFUL)}: {harm} of {total['none']}")


def _rows(path: Path) -> list[list[str]]:
    lines = path.read_text("utf-8").splitlines()
    return [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--public", type=Path, help="a folder of <set>/{train,test}.tsv")
    parser.add_argument("--held-out", type=Path, default=ROOT.parent / "tests" / "data" / "nlu" / "heldout.tsv")
    options = parser.parse_args()
    words = load_words(ROOT / "words.yml")
    known = articles(ROOT)
    oos = load_out_of_scope(ROOT / "out_of_scope.tsv")
    titles = {name: str(article["title"]) for name, article in known.items()}
    told = {name: answer_text(article) for name, article in known.items()}
    pairs = [
        (name, str(q))
        for name, a in known.items()
        for q in (a["questions"] if isinstance(a["questions"], list) else [])
    ]
    learned, held = split(pairs, words)
    part: dict[str, list[str]] = {name: [] for name in known}
    for name, text in learned:
        part[name].append(text)
    acts, places = load_acts(ROOT / "acts.yml", words), load_places(ROOT)
    half_oos = [text for at, text in enumerate(oos) if at % 2]
    matcher = Matcher.train(part, titles, told, words, half_oos, acts=acts)
    table(matcher, held, "Own split, paraphrase families held out: new wordings only")
    topics = defaultdict(list)
    for name, text in held:
        topics[str(known[name]["topic"])].append((name, text))
    for topic, some in sorted(topics.items()):
        j = judge(matcher, some, str)
        shares = (f"{what} {j[what]:.1%}" for what in ("first", "helped", "wrong"))
        print(f"  {topic:14} {', '.join(shares)}")
    readings = [matcher.read(text) for at, text in enumerate(oos) if not at % 2]
    bands = Counter(r.band for r in readings if not r.act)
    told_oos, asked = (bands[band] / len(readings) for band in ("answer", "clarify"))
    print(f"\nOut of scope, none learned: {told_oos:.1%} answered, {asked:.1%} asked back")
    firsts = [(name, next((c.article for c in matcher.read(text).candidates), "")) for name, text in held]
    confused = Counter(pair for pair in firsts if pair[0] != pair[1])
    print("Most confused: " + "; ".join(f"{a} -> {b} ({n})" for (a, b), n in confused.most_common(6)))

    started, child = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = {name: [text for label, text in pairs if label == name] for name in known}
    matcher = Matcher.train(whole, titles, told, words, oos, acts=acts, places=places)
    spent = time.process_time() - started
    print(f"\nWhole knowledge base: {len(pairs)} questions, {len(known)} articles, trained in {spent:.1f} s CPU")
    forty = {name: random.Random(name).sample(some, min(40, len(some))) for name, some in whole.items()}  # noqa: S311
    started = time.process_time()
    Matcher.train(forty, titles, told, words, oos, acts=acts)
    count = sum(map(len, forty.values()))
    print(f"Forty questions of each article: {count} trained in {time.process_time() - started:.1f} s CPU")
    for name, value in (matcher.model.calibration.measured if matcher.model else {}).items():
        print(f"  {name:34}{value:10.4f}")
    if options.held_out.exists():
        lines = [line.split("\t") for line in options.held_out.read_text("utf-8").splitlines() if line.count("\t") == 1]
        table(matcher, [(a, b) for a, b in lines if a in known], "Messages by another author")
    others(matcher, known)
    screen, times = Screen.load(ROOT, words), []
    for said in (f"chị ơi {text} nha" for _, text in held[:400]):  # not exact: the whole way is measured
        began = time.process_time()
        screen.read(said)
        matcher.read(said)
        times.append((time.process_time() - began) * 1000)
    p50, p99 = np.percentile(times, (50, 99))
    print(f"\nReading and screening: p50 {p50:.2f} ms, p99 {p99:.2f} ms CPU; peak memory "
          f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB with training in this process "
          f"(child {child.ru_maxrss / 1024:.0f} MiB)")  # fmt: skip
    print(PEERS)
    if options.public:
        print("\nPublic sets")
        public(options.public, words)


if __name__ == "__main__":
    main()
