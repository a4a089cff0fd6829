"""docs/watches.md: its tables have every key and every watch of the product, and its examples are valid."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic_core import PydanticUndefined

from sales_exporter.config import Section
from sales_exporter.sidecar.watches.files import load, shipped
from sales_exporter.sidecar.watches.watch import Calendar, Watch
from tests.rules.rulebook import ROOT

PAGE = (ROOT / "docs/watches.md").read_text()


def keys(section: type[Section], prefix: str = "") -> Iterator[str]:
    """A row for each key of a watch."""
    for name, field in section.model_fields.items():
        if field.annotation is Calendar:
            yield from keys(Calendar, f"{name}.")
            continue
        default = field.default
        shown = {None: "-", "": "-", (): "-"}.get(default, f"`{', '.join(default)}`" if isinstance(default, tuple)
                                                  else f"`{default}`")
        yield (f"| `{prefix}{name}` | {'needed' if default is PydanticUndefined else shown} "
               f"| {field.description} |".replace("`True`", "`true`").replace("`False`", "`false`"))


def watches() -> Iterator[str]:
    """A row for each watch of the product."""
    for watch in shipped():
        yield f"| `{watch.name}` | {watch.title} | {', '.join(watch.by) or '-'} | {watch.direction} | {watch.team} |"


def test_each_key_is_explained() -> None:
    assert [row for row in keys(Watch) if row not in PAGE.splitlines()] == []


def test_each_watch_of_the_product_is_listed() -> None:
    listed = re.findall(r"^\| `[a-z0-9_]+` \|(?:[^|]+\|){4}$", PAGE, flags=re.M)
    assert listed == list(watches())


def test_the_examples_are_valid(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(watches:.*?|defaults:.*?)```", PAGE, flags=re.S)
    assert blocks
    for number, text in enumerate(blocks):
        path = tmp_path / f"{number}.yml"
        path.write_text(text)
        assert load([path])
