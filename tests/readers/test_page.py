"""The dashboard as a file: complete, safe, and without any single person's values."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.support import lakes

from client_health_cli import queries
from client_health_cli.dashboard import html, wording
from client_health_cli.dashboard.files import write_pages
from client_health_cli.dashboard.last_runs import last_runs, receipts_of
from client_health_cli.dashboard.visuals import VISUALS, Kind, Sort
from client_health_cli.main import main
from client_health_cli.published import published_table
from client_health_cli.questions import questions
from client_health_cli.results import rows_of
from register_contract import contract
from register_run import Listener, cost

QUESTIONS = questions(Path(__file__).resolve().parents[2] / "queries")
WRITTEN = dt.datetime(2026, 2, 7, 12, 0, tzinfo=dt.UTC)
MARKUP = "Vida & Saúde <i>d'Ouro</i>"


class Page(HTMLParser):
    """A page as a browser parses it: elements with attributes and texts, and scripts separately."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self._script: dict[str, str | None] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._script = dict(attrs) if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts.append((self._script, data))
            self._script = None
        else:
            self.text += data

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            "".join(text for attributes, text in self.scripts if attributes.get("id") == "dados")
        )
        return found


def page_of(lake: Path, folder: Path) -> tuple[str, Page]:
    out = folder / "painel.html"
    write_pages(str(lake), out, folder / "dicionario-de-dados.html", WRITTEN)
    text = out.read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture(scope="module")
def page(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return page_of(lake, tmp_path_factory.mktemp("page"))[1]


def test_the_page_asks_for_nothing_from_anywhere(page: Page) -> None:
    for tag, attributes in page.elements:
        for name in ("src", "href", "action", "srcset", "poster"):
            place = attributes.get(name)
            assert place is None or place in {"#conteudo", "data:,", "dicionario-de-dados.html"}, (
                tag, place)  # fmt: skip
        assert not any(name.startswith("on") for name in attributes)
        assert "style" not in attributes


def test_only_the_pages_own_scripts_may_run(page: Page) -> None:
    policy = next(
        attributes["content"]
        for tag, attributes in page.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    own = [text for attributes, text in page.scripts if "type" not in attributes]
    assert len(own) == 2
    for text in own:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in str(policy)
    assert str(policy).startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in str(policy)


def test_the_page_is_small_enough_to_be_mailed(lake: Path, tmp_path: Path) -> None:
    assert len(page_of(lake, tmp_path)[0].encode()) < 6_000_000


def test_no_value_of_one_person_is_in_the_page(lake: Path, tmp_path: Path) -> None:
    text, page = page_of(lake, tmp_path)
    library = str(html.chart_library())
    assert library in text
    text = text.replace(library, "")
    rows = lakes.register()
    values = {
        str(spelled)
        for row in rows
        for spelled in (
            row["id"], row["nome_completo"], row["numero"], row["data_nascimento"],
            row["data_nascimento"].strftime("%d/%m/%Y"), row["data_cadastro"],
            row["data_cadastro"].isoformat(),
        )
    }  # fmt: skip
    assert len(values) > 10_000
    words = set(re.findall(r"[\w/:.-]+", text))
    assert not values & words
    assert "Canario" not in text
    assert contract.MASK not in text
    assert page.data["cube"]["counts"]


def test_markup_in_a_name_stays_text(lake: Path, tmp_path: Path) -> None:
    text, page = page_of(lake, tmp_path)
    assert MARKUP in page.data["cube"]["axes"][0]["labels"]
    assert MARKUP in page.text
    assert MARKUP not in text
    assert "i" not in {tag for tag, _ in page.elements}


def test_nothing_in_the_data_can_end_its_element() -> None:
    hostile = "</script><script>alert(1)</script><!-- \u2028 & ' \""
    written = str(html.data({"a": hostile}))
    assert not set(written) & set("<>&\u2028")
    assert json.loads(written) == {"a": hostile}


def test_every_key_figure_is_the_querys_or_the_receipts(page: Page, lake: Path) -> None:
    (clients,) = [a["data-value"] for _, a in page.elements if a.get("id") == "total"]
    with queries.query(published_table(str(lake)), QUESTIONS["clientes"].sql) as result:
        ((expected,),) = rows_of(result)
    assert clients == str(expected) == "3000"
    with queries.query(published_table(str(lake)), QUESTIONS["execucoes_publicadas"].sql) as result:
        *_, newest = rows_of(result)
    (loaded,) = [a["datetime"] for tag, a in page.elements if tag == "time"]
    committed = newest[0].replace(tzinfo=dt.UTC)
    assert abs(dt.datetime.fromisoformat(str(loaded)) - committed) < dt.timedelta(minutes=1)
    assert f"{wording.signed_percent(newest[-1])} desde a carga anterior" in page.text
    assert f"12 de {wording.number(expected + 42)} linhas" in page.text
    assert wording.percent(12 / (expected + 42)) in page.text


def test_every_number_that_names_a_query_names_one_that_is_there(page: Page) -> None:
    named = {a["data-query"] for _, a in page.elements if "data-query" in a}
    assert named == {visual.query for visual in VISUALS} | {"clientes", "execucoes_publicadas"}
    assert named <= QUESTIONS.keys()


def test_each_visual_is_on_the_page_with_its_title(page: Page) -> None:
    shown = {a["id"]: a for tag, a in page.elements if tag == "figure" and "data-kind" in a}
    assert [(name, a["data-kind"], a["data-query"]) for name, a in shown.items()] == [
        (visual.name, visual.kind.value, visual.query) for visual in VISUALS
    ]
    for visual in VISUALS:
        assert visual.title in page.text


@pytest.mark.parametrize("visual", VISUALS, ids=lambda visual: visual.name)
def test_a_visual_declares_what_its_query_gives_in_its_order(visual: Any, lake: Path) -> None:
    with queries.query(published_table(str(lake)), QUESTIONS[visual.query].sql) as result:
        rows = result.read_all().to_pylist()
    pairs = [(row[visual.category], row[visual.value]) for row in rows]
    if visual.sort is Sort.VALUE_DESCENDING:
        assert pairs == sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
    else:
        assert pairs == sorted(pairs)


def test_the_four_visuals_are_the_specified_kinds() -> None:
    assert {visual.query: visual.kind for visual in VISUALS} == {
        "clientes_por_sexo": Kind.PIE,
        "estados": Kind.BAR,
        "convenios": Kind.TREEMAP,
        "clientes_por_ano": Kind.LINE,
    }


def test_runs_are_told_from_their_receipts(lake: Path) -> None:
    newest, first = last_runs(published_table(str(lake)), receipts_of(str(lake)))
    assert (newest.run_id, first.run_id) == ("run-22", "run-1")
    assert newest.total("ingested") == newest.total("published") + 42  # type: ignore[operator]
    assert (newest.total("rejected"), newest.total("duplicates")) == (12, 30)
    assert newest.seconds == {"01_ingest": 4.0, "02_transform": 61.25, "03_quality": 4.0}
    assert newest.warnings == {"nome_ausente": 1_234}
    assert newest.published_at is not None


def test_the_second_tab_shows_rows_rules_and_durations(page: Page) -> None:
    for said in ("run-22", "run-1", "1.234", "nome_ausente", "1\N{NBSP}min 01\N{NBSP}s", "3.042"):
        assert said in page.text
    assert [run["published"] for run in page.data["runs"]] == [3_000, 1_500]


def test_the_second_tab_shows_what_a_run_cost(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lakes.make(lake)
    lakes.publish(lake, "run", lakes.clients(9))
    assert "DPU-h" not in page_of(lake, tmp_path)[1].text
    for name, seconds in (("s1", 350.0), ("jr_1", 10.0)):
        spent = cost.Cost(name, cost.SESSION, seconds, reported=True)
        cost.keep(str(lake), "run", spent, Listener())
    assert "0,1000\N{NBSP}DPU-h" in page_of(lake, tmp_path)[1].text
    assert len(receipts_of(str(lake))) == 3, "a cost is no receipt"


def test_a_run_that_was_not_published_is_shown_as_such(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    lakes.publish(tmp_path / "lake", "run", lakes.clients(9))
    lakes.save_receipt(tmp_path / "lake", lakes.receipt("stopped", "01_ingest", 50))
    stopped, run = last_runs(
        published_table(str(tmp_path / "lake")), receipts_of(str(tmp_path / "lake"))
    )
    assert (stopped.run_id, stopped.published_at) == ("stopped", None)
    assert (stopped.total("ingested"), stopped.total("published")) == (92, None)
    assert run.published_at is not None
    assert "não publicada" in page_of(tmp_path / "lake", tmp_path)[1].text


def test_a_lost_receipt_is_replaced_by_the_publication_record(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    lakes.publish(tmp_path / "lake", "run", lakes.clients(9), receipts=False)
    (run,) = last_runs(published_table(str(tmp_path / "lake")), receipts_of(str(tmp_path / "lake")))
    assert (run.total("published"), run.total("ingested")) == (9, None)
    assert run.rejections == {"cpf_formato": 12}
    assert run.rejected_share is None


def test_a_file_that_is_no_receipt_is_left_out(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    lakes.publish(tmp_path / "lake", "run", lakes.clients(9))
    folder = tmp_path / "lake" / "runs" / "run"
    (folder / "notes.json").write_text("{not json")
    (folder / "other.json").write_text('{"run_id": "<script>"}')
    for name, broken in {
        "rows": {"csv": {"in": "many"}}, "warnings": None, "started_at": "yesterday", "as_of": 3
    }.items():  # fmt: skip
        content = {**lakes.receipt("odd", "01_ingest", 5), name: broken}
        (folder / f"{name}.json").write_text(json.dumps(content))
    assert len(receipts_of(str(tmp_path / "lake"))) == 3


def test_a_first_run_has_no_change_to_show(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    lakes.publish(tmp_path / "lake", "run", lakes.clients(9))
    _, page = page_of(tmp_path / "lake", tmp_path)
    assert "primeira carga publicada" in page.text


def test_an_empty_table_gives_a_whole_page(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    _, page = page_of(tmp_path / "lake", tmp_path)
    assert "nenhuma carga publicada" in page.text
    assert "Ainda não há execuções" in page.text
    assert set(page.data["cube"]["counts"]) == {0}


def test_fewer_than_five_clients_are_said_to_be_so(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    lakes.publish(tmp_path / "lake", "run", lakes.clients(3))
    _, page = page_of(tmp_path / "lake", tmp_path)
    assert "menos de 5" in page.text


def test_the_page_links_to_the_dictionary_beside_it(lake: Path, tmp_path: Path) -> None:
    _, page = page_of(lake, tmp_path)
    links = [attributes.get("href") for tag, attributes in page.elements if tag == "a"]
    assert "dicionario-de-dados.html" in links
    assert (tmp_path / "dicionario-de-dados.html").is_file()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (wording.number(1_234_567), "1.234.567"),
        (wording.number(None), "–"),
        (wording.percent(0.00309), "0,31\N{NBSP}%"),
        (wording.signed_percent(-13.23), "\N{MINUS SIGN}13,2\N{NBSP}%"),
        (wording.signed_percent(2.0), "+2,0\N{NBSP}%"),
        (wording.seconds(9.55), "9,6\N{NBSP}s"),
        (wording.seconds(125), "2\N{NBSP}min 05\N{NBSP}s"),
        (wording.day(dt.datetime(2026, 1, 1, 2, 0, tzinfo=dt.UTC)), "31/12/2025"),
        (wording.hour(dt.datetime(2026, 1, 1, 2, 0, tzinfo=dt.UTC)), "23:00"),
        (wording.iso_day("2026-12-31"), "31/12/2026"),
        (wording.iso_day("x"), "x"),
    ],
)
def test_numbers_and_dates_are_written_as_in_brazil(written: str, expected: str) -> None:
    assert written == expected


def test_the_command_writes_both_pages_and_says_where(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new folder" / "painel.html"
    with pytest.raises(SystemExit) as ended:
        main(["dashboard", "--lake", str(lake), "--out", str(out)])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert str(out) in said
    assert str(out.with_name("dicionario-de-dados.html")) in said
    assert {path.name for path in out.parent.iterdir()} == {out.name, "dicionario-de-dados.html"}


def test_a_page_that_cannot_be_written_is_told(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as ended:
        main(["dashboard", "--lake", str(lake), "--out", str(tmp_path / "file" / "painel.html")])
    assert ended.value.code == 2
    assert "can't be written" in capsys.readouterr().err
