"""The dashboard in a real browser: what readers see, click, and print.

Skipped if there is no Chromium, unless CHROMIUM_REQUIRED=1 is set.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import lakes

from client_health_cli import queries
from client_health_cli.dashboard.files import write_pages
from client_health_cli.dashboard.visuals import VISUALS
from client_health_cli.published import published_table
from client_health_cli.questions import questions
from client_health_cli.results import rows_of

QUESTIONS = questions(Path(__file__).resolve().parents[2] / "queries")
WRITTEN = dt.datetime(2026, 2, 7, 12, 0, tzinfo=dt.UTC)
PHONE, DESKTOP = (390, 844), (1280, 900)
MARKUP = "Vida & Saúde <i>d'Ouro</i>"


class Opened:
    """A page opened from a file, with its console messages and requests."""

    def __init__(self, context: Any, path: Path) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page = context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]", state="attached")

    def rows(self, visual: str) -> list[tuple[str, int]]:
        """Return the rows of a visual's table, without the combined rest."""
        script = (
            f"[...document.querySelectorAll('#{visual} tbody tr')].map("
            "(row) => [row.dataset.category, Number(row.dataset.value), 'rest' in row.dataset])"
        )
        return [(label, value) for label, value, rest in self.page.evaluate(script) if not rest]

    def drawn(self, visual: str) -> list[Any]:
        """Return the numbers in the last trace of a visual's chart."""
        script = f"""(() => {{
            const trace = document.querySelector('#{visual} .chart').data?.at(-1);
            return trace ? [...(trace.values ?? trace.y)] : [];
        }})()"""
        found: list[Any] = self.page.evaluate(script)
        return found

    def choose(self, **choices: str) -> None:
        for name, label in choices.items():
            self.page.select_option(f"#{name}", label=label)

    def put_back(self) -> None:
        """Reset the filters, close what is open, and go to the first tab."""
        self.page.evaluate(
            "for (const one of document.querySelectorAll('details')) one.open = false"
        )
        self.page.click("#aba-clientes")
        self.page.click("button[type=reset]")
        self.page.wait_for_selector("#total[data-value='3000']")

    def total(self) -> str:
        return str(self.page.text_content("#total"))


@pytest.fixture(scope="session")
def painel(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("painel")
    write_pages(str(lake), folder / "painel.html", folder / "dicionario-de-dados.html", WRITTEN)
    return folder / "painel.html"


@pytest.fixture
def opened(browser: Any, painel: Path) -> Iterator[Callable[..., Opened]]:
    contexts = []

    def opened(path: Path = painel, size: tuple[int, int] = DESKTOP, **settings: Any) -> Opened:
        viewport = {"width": size[0], "height": size[1]}
        context = browser.new_context(viewport=viewport, offline=True, **settings)
        contexts.append(context)
        return Opened(context, path)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def kept(browser: Any, painel: Path) -> Iterator[dict[tuple[object, ...], Opened]]:
    pages: dict[tuple[object, ...], Opened] = {}
    yield pages
    for one in pages.values():
        one.page.context.close()


@pytest.fixture
def shown(
    browser: Any, painel: Path, kept: dict[tuple[object, ...], Opened]
) -> Iterator[Callable[..., Opened]]:
    """Yield a function that opens the dashboard, once per kind of screen; reset after each test."""
    used = []

    def shown(size: tuple[int, int] = DESKTOP, scheme: str = "light") -> Opened:
        if (size, scheme) not in kept:
            viewport = {"width": size[0], "height": size[1]}
            context = browser.new_context(viewport=viewport, offline=True, color_scheme=scheme)
            kept[size, scheme] = Opened(context, painel)
        used.append(kept[size, scheme])
        return used[-1]

    yield shown
    for one in used:
        one.put_back()


def other_page(folder: Path, rows: list[dict[str, object]] | None) -> Path:
    lakes.make(folder / "lake")
    if rows is not None:
        lakes.publish(folder / "lake", "run", rows)
    out = folder / "painel.html"
    write_pages(str(folder / "lake"), out, folder / "dicionario-de-dados.html", WRITTEN)
    return out


def answer(lake: Path, sql: str) -> list[tuple[Any, ...]]:
    with queries.query(published_table(str(lake)), sql) as result:
        return list(rows_of(result))


def faults(page: Any) -> list[tuple[str, str]]:
    """Return serious and critical accessibility faults that axe-core finds."""
    from axe_playwright_python.sync_playwright import Axe

    return [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in Axe().run(page).response["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


def test_it_opens_from_a_file_without_an_error_or_a_request(
    opened: Callable[..., Opened], painel: Path
) -> None:
    found = opened()
    found.page.click("#aba-execucoes")
    found.page.click("#aba-clientes")
    assert found.said == []
    assert found.asked == [painel.as_uri()]


@pytest.mark.parametrize("visual", VISUALS, ids=lambda visual: visual.name)
def test_every_number_is_its_querys_answer(
    shown: Callable[..., Opened], lake: Path, visual: Any
) -> None:
    with queries.query(published_table(str(lake)), QUESTIONS[visual.query].sql) as result:
        rows = result.read_all().to_pylist()
    expected = [(str(row[visual.category]), row[visual.value]) for row in rows]
    found = shown()
    assert found.rows(visual.name) == expected
    assert found.drawn(visual.name) == [value for _, value in expected]


def test_the_key_figures_are_those_of_the_queries(shown: Callable[..., Opened], lake: Path) -> None:
    assert shown().total() == "3.000"
    assert answer(lake, QUESTIONS["clientes"].sql) == [(3_000,)]


@pytest.mark.parametrize(
    ("choices", "where"),
    [
        ({"convenio": "Gold"}, "convenio = 'Gold'"),
        ({"convenio": MARKUP}, "convenio LIKE 'Vida%'"),
        ({"uf": "SP"}, "estado = 'SP'"),
        ({"periodo": "2022"}, "year(data_cadastro) = 2022"),
        ({"periodo": "2019"}, "year(data_cadastro) = 2019"),
        ({"periodo": "Após 2020"}, "year(data_cadastro) BETWEEN 2021 AND 2030"),
        (
            {"convenio": "Gold", "uf": "MG", "periodo": "Após 2020"},
            "convenio = 'Gold' AND estado = 'MG' AND year(data_cadastro) BETWEEN 2021 AND 2030",
        ),
    ],
)
def test_the_filters_move_every_chart(
    shown: Callable[..., Opened], lake: Path, choices: dict[str, str], where: str
) -> None:
    found = shown()
    before = {visual.name: found.rows(visual.name) for visual in VISUALS}
    found.choose(**choices)
    ((total,),) = answer(lake, f"SELECT count(*) AS n FROM clientoutput WHERE {where}")
    assert found.total() == f"{total:,}".replace(",", ".")
    moved = set()
    for visual in VISUALS:
        column = (
            "CAST(year(data_cadastro) AS varchar)" if visual.name == "anos" else visual.category
        )
        known = dict(
            answer(lake, f"SELECT {column}, count(*) FROM clientoutput WHERE {where} GROUP BY 1")
        )
        shown = found.rows(visual.name)
        assert shown, visual.name
        assert dict(shown) == {label: known[label] for label, _ in shown}
        assert {value for _, value in shown} <= set(found.drawn(visual.name))
        if shown != before[visual.name]:
            moved.add(visual.name)
    # This line chart always shows the years after 2020.
    still = {"anos"} if choices == {"periodo": "Após 2020"} else set()
    assert moved == {visual.name for visual in VISUALS} - still
    found.page.click("button[type=reset]")
    found.page.wait_for_selector("#total[data-value='3000']")
    assert {visual.name: found.rows(visual.name) for visual in VISUALS} == before
    assert found.said == []


def test_no_choice_shows_a_class_of_fewer_than_five(opened: Callable[..., Opened]) -> None:
    found = opened()
    seen = found.page.evaluate(
        """() => {
            const [plan, uf, year] = document.querySelectorAll("form select");
            const values = [];
            // What a chart is given is collected instead of drawn, eight hundred times over.
            Plotly.react = (chart, traces) => {
                chart.on = () => {};
                const last = traces.at(-1);
                values.push(...(last.values ?? last.y));
            };
            for (const a of plan.options)
                for (const b of uf.options)
                    for (const c of year.options) {
                        [plan.value, uf.value, year.value] = [a.value, b.value, c.value];
                        plan.dispatchEvent(new Event("change"));
                        const rows = document.querySelectorAll("tbody tr[data-value]");
                        values.push(...[...rows].map((row) => Number(row.dataset.value)));
                    }
            return values;
        }"""
    )
    assert len(seen) > 1_000
    assert min(seen) >= 5
    assert found.said == []


def test_folded_sexes_are_named_together(opened: Callable[..., Opened], tmp_path: Path) -> None:
    rows = [*lakes.clients(30), *lakes.clients(20, 30, sexo="M"), *lakes.clients(2, 60, sexo="N/A")]
    found = opened(other_page(tmp_path, rows))
    assert found.page.locator("#sexo tbody th").all_text_contents() == [
        "Feminino",
        "Outros: masculino ou não informado",
    ]
    assert found.drawn("sexo") == [30, 22]


def test_the_charts_are_drawn_with_brazilian_numbers(shown: Callable[..., Opened]) -> None:
    found = shown()
    parts = {
        "sexo": "g.slice",
        "convenios": "g.slice",
        "estados": ".bars .point",
        "anos": ".scatterlayer .point",
    }
    for visual, part in parts.items():
        assert found.page.locator(f"#{visual} {part}").count() >= len(found.rows(visual))
    (_, largest), *_ = found.rows("convenios")
    assert f"{largest:,}".replace(",", ".") in str(found.page.text_content("#convenios .chart"))


def test_markup_in_a_name_is_shown_as_it_is(shown: Callable[..., Opened]) -> None:
    found = shown()
    assert MARKUP in found.page.locator("#convenios tbody").all_text_contents()[0]
    found.choose(convenio=MARKUP)
    assert MARKUP in str(found.page.text_content("#convenios .chart svg"))
    assert found.page.locator("#convenios .chart svg [style*=italic]").count() == 0


# Colours depend on the scheme alone, layout and sizes of text on the width alone.
@pytest.mark.parametrize(
    ("size", "scheme"), [(PHONE, "light"), (DESKTOP, "dark")], ids=["light-phone", "dark-desktop"]
)
def test_it_has_no_serious_accessibility_fault(
    shown: Callable[..., Opened], size: tuple[int, int], scheme: str
) -> None:
    found = shown(size=size, scheme=scheme)
    for details in found.page.locator("details.run, .visual details").all():
        details.evaluate("(one) => { one.open = true; }")
    assert faults(found.page) == []
    found.page.click("#aba-execucoes")
    assert faults(found.page) == []


def test_the_dictionary_has_no_serious_accessibility_fault(
    opened: Callable[..., Opened], painel: Path
) -> None:
    found = opened()
    found.page.click("text=Dicionário de dados")
    found.page.wait_for_selector("text=cpf_digito_verificador")
    assert faults(found.page) == []
    assert found.said == []


@pytest.mark.parametrize("tab", ["clientes", "execucoes"])
def test_a_phone_need_not_scroll_sideways(shown: Callable[..., Opened], tab: str) -> None:
    page = shown(size=PHONE).page
    page.click(f"#aba-{tab}")
    for details in page.locator("details").all():
        details.evaluate("(one) => { one.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_the_tabs_can_be_used_with_the_keyboard(shown: Callable[..., Opened]) -> None:
    page = shown().page
    assert page.is_hidden("#execucoes")
    page.focus("#aba-clientes")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "aba-execucoes"
    assert page.is_visible("#execucoes")
    assert page.is_hidden("#clientes")
    assert page.get_attribute("#aba-execucoes", "aria-selected") == "true"


def test_the_second_tab_draws_the_runs(shown: Callable[..., Opened]) -> None:
    page = shown().page
    page.click("#aba-execucoes")
    drawn = "(id) => document.querySelector(`#${id} .chart`).data.map(({ x }) => [...x])"
    assert page.evaluate(drawn, "linhas") == [[3_000, 1_500], [30, 30], [12, 12]]
    assert page.evaluate(drawn, "duracao") == [[4, 4], [61.25, 61.25], [4, 4]]


def test_it_is_dark_where_the_reader_wants_it_dark(shown: Callable[..., Opened]) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = (shown(scheme=scheme).page.evaluate(ground) for scheme in ("light", "dark"))
    assert light != dark


def test_printing_shows_both_tabs_in_light_colours(opened: Callable[..., Opened]) -> None:
    found = opened(size=(794, 1123), color_scheme="dark")
    page = found.page
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_selector("#linhas .chart .bars .point", state="attached")
    assert page.is_visible("#clientes")
    assert page.is_visible("#execucoes")
    assert page.is_hidden(".tabs")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for figure in page.locator(".visual").all():
        frame, drawing = (part.bounding_box() for part in (figure, figure.locator("svg").first))
        assert frame["x"] <= drawing["x"]
        assert drawing["x"] + drawing["width"] <= frame["x"] + frame["width"]
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="screen")
    page.wait_for_selector("#execucoes", state="hidden")
    assert found.said == []


def test_an_empty_table_says_so_in_every_chart(
    opened: Callable[..., Opened], tmp_path: Path
) -> None:
    found = opened(other_page(tmp_path, None))
    for visual in VISUALS:
        assert found.page.text_content(f"#{visual.name} .chart") == "Nenhum cliente neste recorte."
    assert found.page.text_content("#atualidade") == "–"
    assert found.said == []
    assert faults(found.page) == []


def test_one_convenio_only_fills_the_treemap(opened: Callable[..., Opened], tmp_path: Path) -> None:
    found = opened(other_page(tmp_path, lakes.clients(25)))
    assert found.rows("convenios") == [("Gold", 25)]
    assert found.drawn("convenios") == [25]
    assert found.said == []


def test_only_sus_leaves_the_treemap_empty(opened: Callable[..., Opened], tmp_path: Path) -> None:
    found = opened(other_page(tmp_path, lakes.clients(25, convenio="SUS")))
    assert found.rows("convenios") == []
    assert found.total() == "25"
    assert found.said == []


def test_fewer_than_five_clients_are_not_drawn(
    opened: Callable[..., Opened], tmp_path: Path
) -> None:
    found = opened(other_page(tmp_path, lakes.clients(4)))
    assert found.total() == "menos de 5"
    for visual in VISUALS:
        assert found.rows(visual.name) == []
    assert found.said == []
