"""PromQL as a tree. The parser is a development library: who only runs servers does not need it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import promql_parser


@cache
def parsed(expr: str) -> object:
    """The tree of an expression.

    Raises:
        ValueError: it is no PromQL; says where.
    """
    return promql_parser.parse(expr)


def selectors(tree: object) -> Iterator[promql_parser.VectorSelector]:
    """Every vector selector of an expression."""
    if isinstance(tree, promql_parser.VectorSelector):
        yield tree
    for child in children(tree):
        yield from selectors(child)


def children(tree: object) -> list[object]:
    """The expressions directly inside an expression."""
    if isinstance(tree, promql_parser.BinaryExpr):
        return [tree.lhs, tree.rhs]
    if isinstance(tree, promql_parser.Call):
        return list(tree.args)
    if isinstance(tree, promql_parser.MatrixSelector):
        return [tree.vector_selector]
    if isinstance(tree, promql_parser.AggregateExpr):
        return [tree.expr, *([tree.param] if tree.param is not None else [])]
    if isinstance(tree, promql_parser.ParenExpr | promql_parser.SubqueryExpr | promql_parser.UnaryExpr):
        return [tree.expr]
    return []


def made(tree: object) -> Iterator[str]:
    """Labels that an expression makes itself."""
    if isinstance(tree, promql_parser.Call) and tree.func.name in ("label_replace", "label_join"):
        yield tree.args[1].val
    for child in children(tree):
        yield from made(child)
