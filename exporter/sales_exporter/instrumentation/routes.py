"""The route template of an ASGI request, read from what the framework left in the scope after it ran.

The routing table is never searched again. Starlette leaves its matched ``route`` there, FastAPI from 0.137 on a context
with the whole path, and both the path of mounts as ``root_path``, in which the values of path parameters stand.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from sales_exporter.instrumentation.http import UNKNOWN, UNMATCHED

Scope = MutableMapping[str, Any]


def template(scope: Scope, outside: str) -> str:
    """The template; ``outside`` is the ``root_path`` that the request came with, which is the server's, not a mount's.

    ``unmatched`` where no route matched. An application of another kind that is mounted counts as its mount.
    """
    inside = scope.get("fastapi")
    route = (inside and inside.get("effective_route_context")) or scope.get("route")
    mounted = scope.get("root_path", "")[len(outside):]
    if not mounted:
        return UNMATCHED if route is None else _path(route)
    if route is None:
        return _mount(mounted, scope.get("path_params") or {}, frozenset())
    own = getattr(route, "param_convertors", None) or {}
    return _mount(mounted, scope.get("path_params") or {}, frozenset(own)) + _path(route)


def _path(route: Any) -> str:
    found = getattr(route, "path_format", None) or getattr(route, "path", None)
    return found if isinstance(found, str) else UNKNOWN


def _mount(mounted: str, parameters: Mapping[str, object], own: frozenset[str]) -> str:
    """The path of a mount with the names of its parameters in place of their values."""
    names = {str(value): name for name, value in parameters.items() if name not in own}
    if not names:
        return mounted
    return "/".join([f"{{{names[part]}}}" if part in names else part for part in mounted.split("/")])
