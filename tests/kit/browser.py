"""Headless Chromium: opens a page, and tells what became of it, what it asked for and what it complained about."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root, where Chromium's own sandbox refuses to start
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # what the browser asks for on its own account leads nowhere
    "--hide-scrollbars",
    "--enable-logging=stderr",
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A page after its script ran: its elements, the addresses that were asked for, what the console said."""

    dom: str
    requests: tuple[str, ...]
    console: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Browser:
    """A Chromium with a profile of its own in `folder`."""

    program: Path
    folder: Path

    def open(self, page: Path) -> Opened:
        """Open a page and wait until it is loaded."""
        log = self.folder / "net.json"
        done = self._run("--dump-dom", f"--log-net-log={log}", "--virtual-time-budget=5000", page.as_uri())
        console = tuple(line for line in done.stderr.splitlines() if "CONSOLE" in line)
        return Opened(done.stdout, _requests(log.read_text()), console)

    def picture(self, page: Path, place: Path, width: int, height: int, *, dark: bool = False) -> None:
        """Take a picture of a page."""
        colors = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0") if dark else ()
        self._run(*colors, f"--window-size={width},{height}", f"--screenshot={place}", page.as_uri())

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the browser to its end."""
        profile = f"--user-data-dir={self.folder / 'profile'}"
        return subprocess.run(
            [self.program, *OPTIONS, profile, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )


def _requests(log: str) -> tuple[str, ...]:
    """Return the addresses that the network log says a page asked for; the browser's own questions come from no page."""
    found = json.loads(log if log.rstrip().endswith("}") else f"{log.rstrip().rstrip(',')}]}}")
    kind = found["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    asked = [event["params"] for event in found["events"] if event["type"] == kind and "params" in event]
    return tuple(
        one["url"]
        for one in asked
        if one.get("initiator", "not an origin") != "not an origin"
        and not one["url"].startswith(("file:", "data:", "chrome"))
    )
