"""Make the pictures of the README from a real run (`python -m docs.pictures`): the terminal report and the HTML page.

The bad sample image is checked by the real Trivy with the sample advisories, as `make demo` does it. Needs Trivy and
Chromium. Like every run, each has another date in it, so the pictures are made when a report has changed, and not by
`make generate`.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from samples.databases.advisories import load
from samples.databases.trivy import write_trivy_database
from samples.demo import POLICY, ROOT, find_trivy
from samples.images.catalogue import bad
from samples.images.layout import oci_layout, write_directory

IMAGES = Path(__file__).with_name("images")
COLUMNS = 110
WIDTH, HEIGHT = 1280, 1500


def main() -> None:
    """Check the image once, and draw what people see of it."""
    trivy, chromium = find_trivy(), shutil.which("chromium")
    if trivy is None or chromium is None:
        sys.exit("the pictures need Trivy (`make demo` installs it) and Chromium on PATH")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = checked(folder, trivy)
        draw_terminal(text, IMAGES / "terminal.svg")
        draw_page(chromium, folder / "report.html", IMAGES / "report.png")


def checked(folder: Path, trivy: Path) -> str:
    """Check the bad image in `folder`, as a user does in a terminal with colours, and return what that shows."""
    now = datetime.now(UTC).replace(microsecond=0)
    write_trivy_database(folder / "trivy", load(), now)
    write_directory(oci_layout({"": bad(now)}), folder / "image")
    command = [
        "check",
        "oci:image",
        "--policy",
        str(ROOT / POLICY),
        "--output",
        "html=report.html",
        "--offline",
    ]
    command += ["--trivy", str(trivy), "--trivy-cache", "trivy", "--cache-dir", "cache"]
    done = subprocess.run(
        [sys.executable, "-m", "gate", *command],
        cwd=folder,
        env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 1:
        raise SystemExit(f"the bad image ended with {done.returncode} and not 1")
    return done.stdout.replace(str(ROOT), ".")


def draw_terminal(text: str, place: Path) -> None:
    """Draw a terminal with a report in it, without the fonts that rich would have a browser fetch."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(text))
    svg = console.export_svg(title="image-gate check oci:image")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    place.write_text(svg.replace("Fira Code,", ""), encoding="utf-8")


def draw_page(chromium: str, page: Path, place: Path) -> None:
    """Take a picture of the page as a browser shows it."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    options += [f"--window-size={WIDTH},{HEIGHT}", f"--user-data-dir={page.parent / 'profile'}"]
    subprocess.run(
        [chromium, *options, f"--screenshot={place}", page.as_uri()],
        check=True,
        capture_output=True,
        timeout=120,
    )


if __name__ == "__main__":
    main()
