"""Take the pictures of the READMEs: ``make pictures``.

They show a run on sample data: the dashboard, the third notebook, and a notebook in which a run
failed. Chromium takes them, in a lake of its own.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import nbconvert
from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

from client_health_cli import sample_data

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "images"
COMMAND = Path(sys.executable).with_name("client-health")
ROWS, SEED, AS_OF = 3_000, 7, "2026-01-31"
WIDTH, HEIGHT = 1100, 760
# Text on plain ground needs no more.
COLORS = 64
# What nbconvert makes of an error.
FAILED = "[data-mime-type='application/vnd.jupyter.stderr']"


def client_health(*arguments: object) -> int:
    """Run the command, and return its exit code."""
    command = [str(COMMAND), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True).returncode


def run(raw: Path, lake: Path) -> tuple[int, Path]:
    """Run a delivery, and return the exit code and the folder of its notebooks."""
    code = client_health("run", "--raw", raw, "--lake", lake, "--as-of", AS_OF)
    (folder,) = (path for path in (lake / "runs").iterdir() if path.is_dir())
    return code, folder


def as_page(notebook: Path) -> Path:
    """Write a notebook as HTML next to it."""
    body, _ = nbconvert.HTMLExporter(template_name="lab").from_filename(str(notebook))
    page = notebook.with_suffix(".html")
    # A picture shows no path of the machine that took it.
    page.write_text(body.replace(f"{ROOT}/", ""), encoding="utf-8")
    return page


def save(taken: bytes, name: str) -> None:
    """Save a picture with few colors, so that it stays small."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(taken)) as picture:
        few = picture.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
        few.save(PICTURES / f"{name}.png", optimize=True)
    print(PICTURES / f"{name}.png")


def opened(page: Page, file: Path) -> Page:
    """Open a file, and wait until its pictures are drawn."""
    page.goto(file.as_uri())
    page.wait_for_timeout(1_500)
    return page


def from_cell(page: Page, cell: Locator, height: int) -> bytes:
    """Take a picture that begins with a cell."""
    box = cell.bounding_box()
    assert box is not None
    clip = {"x": 0.0, "y": box["y"] + 4, "width": float(WIDTH), "height": float(height)}
    return page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]


def main() -> None:
    """Run twice, once with a column missing, and take the pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample_data.write(folder / "raw", ROWS, SEED)
        published, notebooks = run(folder / "raw", folder / "lake")
        dashboard = folder / "painel.html"
        client_health("dashboard", "--lake", folder / "lake", "--out", dashboard)
        csv = folder / "raw" / "dados_cadastro_2.csv"
        csv.write_text(csv.read_text("utf-8").replace("|bairro|", "|distrito|", 1), "utf-8")
        stopped, failed = run(folder / "raw", folder / "other")
        assert (published, stopped) == (0, 3)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            save(opened(page, dashboard).screenshot(), "dashboard")
            opened(page, as_page(notebooks / "03_quality.ipynb"))
            start = page.locator(".jp-Cell", has=page.locator("h2#Quality"))
            save(from_cell(page, start, HEIGHT), "notebook")
            opened(page, as_page(failed / "01_ingest.ipynb"))
            error = page.locator(".jp-CodeCell", has=page.locator(FAILED)).last
            save(error.screenshot(), "failure")
            browser.close()


if __name__ == "__main__":
    main()
