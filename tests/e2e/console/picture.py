"""Take the picture of the README: ``python -m tests.e2e.console.picture``.

A visitor of the demonstration, as the page shows them; a WebP, which is a quarter of the PNG.
"""

from __future__ import annotations

import base64
from pathlib import Path

from tests.fakes.browsers import chromium, looking
from tests.fakes.process import bucketer_serve

TARGET = Path(__file__).parents[3] / "docs" / "console.webp"
VISITOR = (
    "#/visitor?flag=checkout_flow&user=cooper34523569"
    "&attributes=%7B%22tier%22%3A%22platinum%22%2C%22member_since_days%22%3A56%7D"
)


def main() -> None:
    """Serve the demonstration, look at it, keep what is seen."""
    with (
        bucketer_serve() as service,
        chromium() as browser,
        looking(browser, f"{service.url}/{VISITOR}", width=1600, height=1230) as look,
    ):
        look.page.locator(".step.decides").wait_for()
        look.page.wait_for_timeout(500)  # the last answer may come after the first picture
        session = look.page.context.new_cdp_session(look.page)
        taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": 80})
    TARGET.write_bytes(base64.b64decode(taken["data"]))


if __name__ == "__main__":
    main()
