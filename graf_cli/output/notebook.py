"""What a job wrote, as a notebook shows it: pictures, videos that loop, pages that turn."""

from __future__ import annotations

import base64
import html
from pathlib import Path

MOST = 32 << 20  # bytes of a file that a notebook takes in; larger ones are named
SHEET = 12  # pictures of a folder that are shown
VIDEOS = {".mp4": "video/mp4", ".webm": "video/webm"}
PICTURES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp",
    ".gif": "image/gif", ".apng": "image/apng",
}  # fmt: skip
TALL = 480  # pixels of a page's window


def embedded(paths: list[Path]) -> str:
    """Files as one piece of HTML that needs nothing else; those that cannot be are named."""
    shown = [_element(path) for path in paths[:SHEET]]
    rest = len(paths) - len(shown)
    return "".join(shown) + (f"<p>and {rest} more</p>" if rest else "")


def _element(path: Path) -> str:
    suffix, name = path.suffix.lower(), html.escape(path.name)
    if suffix in {*VIDEOS, *PICTURES, ".html"} and path.is_file() and path.stat().st_size <= MOST:
        data = path.read_bytes()
        if suffix == ".html":
            # A document of its own, without the notebook's origin, so that it can touch nothing.
            return (
                f'<iframe title="{name}" srcdoc="{html.escape(data.decode())}" '
                f'sandbox="allow-scripts allow-downloads" allow="fullscreen; clipboard-write" '
                f'style="width:100%;height:{TALL}px;border:0"></iframe>'
            )
        address = f"data:{(VIDEOS | PICTURES)[suffix]};base64,{base64.b64encode(data).decode()}"
        if suffix in VIDEOS:
            return (
                f'<video aria-label="{name}" src="{address}" controls loop autoplay muted></video>'
            )
        return f'<img alt="{name}" src="{address}">'
    return f"<p><code>{name}</code></p>"
