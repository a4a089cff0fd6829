"""The ASGI types, and the route template of a request, read from what the framework left in the scope after it ran.

The routing table is never searched again. Starlette 1 leaves its matched ``route`` there and older ones the endpoint,
FastAPI from 0.137 on a context with the whole path, and all of them the path of mounts as ``root_path``, in which the
values of path parameters stand.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any
from weakref import ref

from sales_exporter.instrumentation.http import UNKNOWN, UNMATCHED

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def template(scope: Scope, outside: str) -> str:
    """The template; ``outside`` is the ``root_path`` that the request came with, which is the server's, not a mount's.

    ``unmatched`` where no route matched. An application of another kind that is mounted counts as its mount.
    """
    inside = scope.get("fastapi")
    route = (inside and inside.get("effective_route_context")) or scope.get("route")
    root = scope.get("root_path", "")
    if root == outside and route is not None:
        return _path(route)
    if route is None:
        return _of_endpoint(scope) or (_mount(root[len(outside):], scope, {}) if root != outside else UNMATCHED)
    # Starlette 1 leaves a mount as the route, too, when nothing behind it matched.
    if hasattr(route, "routes"):
        return _mount(root[len(outside):], scope, {})
    return _mount(root[len(outside):], scope, getattr(route, "param_convertors", None) or {}) + _path(route)


def _path(route: Any) -> str:
    # FastAPI's and Starlette's path_format has no convertors in it, such as {lead_id:int}.
    found = getattr(route, "path_format", None) or getattr(route, "path", None)
    return found if isinstance(found, str) else UNKNOWN


def _mount(mounted: str, scope: Scope, own: Mapping[str, object]) -> str:
    """The path of a mount with the names of its parameters in place of their values."""
    names = {str(value): name for name, value in (scope.get("path_params") or {}).items() if name not in own}
    if not names:
        return mounted
    return "/".join([f"{{{names[part]}}}" if part in names else part for part in mounted.split("/")])


def _of_endpoint(scope: Scope) -> str:
    """What Starlette before 1.0 leaves is the endpoint: the template of its route, empty if there is none.

    Where several routes share an endpoint it is the one that the values of the path parameters make the path of.
    """
    endpoint, router = scope.get("endpoint"), scope.get("router")
    if endpoint is None or router is None:
        return ""
    owner, known = _TABLES.get(id(router), (None, {}))
    if owner is None or owner() is not router or id(endpoint) not in known:
        # Not known is also the endpoint of a route that was added since.
        known = _table(router.routes)
        _TABLES[id(router)] = (ref(router), known)
    found = known.get(id(endpoint), [])
    if len(found) > 1:
        values, path = scope.get("path_params") or {}, str(scope["path"])
        found = [one for one in found if path.endswith(_filled(one, values))] or found
    return found[0] if found else ""


_TABLES: dict[int, tuple[ref[Any], dict[int, list[str]]]] = {}
"""By the identity of the router: routers have no hash."""


def _table(routes: Iterable[Any], prefix: str = "") -> dict[int, list[str]]:
    """Templates by the identity of the endpoint, those behind mounts with the mount's."""
    table: dict[int, list[str]] = {}
    for route in routes:
        if hasattr(route, "routes"):
            mount = prefix + str(route.path)
            for key, found in {id(route.app): [mount], **_table(route.routes or (), mount)}.items():
                table.setdefault(key, []).extend(found)
        elif hasattr(route, "endpoint"):
            table.setdefault(id(route.endpoint), []).append(prefix + _path(route))
    return table


def _filled(path: str, values: Mapping[str, object]) -> str:
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", str(value))
    return path
