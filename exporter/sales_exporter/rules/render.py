"""Templates of rule files become rule files: ``${family.key}`` is a threshold, ``${family.key:format}`` one for people.

====================  ====================================================
``${…}``              as it stands in the file: ``0.05``, ``10m``
``${…:seconds}``      a duration as a number, to compare seconds with
``${…:percent}``      a share in percent: ``5%``
``${…:words}``        a duration for people: ``10 minutes``
``${…:count}``        a number with separators: ``20,000``
====================  ====================================================

Prometheus' own templates (``{{ … }}``) and ``$1`` of label_replace are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from sales_exporter.errors import ConfigError
from sales_exporter.rules.durations import seconds, words
from sales_exporter.rules.thresholds import Value

HEADER = "# Rendered by `sales-exporter rules render` from {source}: change that, not this.\n"
PLACEHOLDER = re.compile(r"\$\{([a-z][a-z0-9_]*\.[a-z0-9_]+)(?::([a-z]+))?\}")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C, where PyYAML has it: it takes a tenth of the time, and the rules of objectives are long."""
_KEEP = re.compile(r"^ *keep_firing_for:.*\n", re.M)

Check = Callable[[str], None]
"""Parses an expression; raises ValueError with what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template: ``name`` is the place of what it becomes, such as ``alerts/api.yml``, and ``where`` its own."""

    name: str
    where: str
    text: str
    source: str = ""
    """What it was made from, where that is no template."""


@dataclass(frozen=True, slots=True)
class Form:
    """What differs between those that read rule files."""

    keep_firing_for: bool = True
    """False for vmalert before 1.112, which refuses the key."""
    mimir: bool = False
    """True for the ruler of Mimir: each file is a namespace."""


def filled(template: Template, values: Mapping[str, Value]) -> str:
    """The text of a template with every placeholder filled in.

    Raises:
        ConfigError: a placeholder has no value, or a format that the value cannot have.
    """
    def fill(found: re.Match[str]) -> str:
        name, form = found[1], found[2]
        where = f"{template.where}: {name}"
        if name not in values:
            raise ConfigError(f"{where}: missing key: the template asks for it; add it to thresholds.yml")
        return _formatted(values[name], form, where)

    text = PLACEHOLDER.sub(fill, template.text)
    if "${" in text:
        rest = text[text.index("${"):].split("\n")[0][:40]
        raise ConfigError(f"{template.where}: {rest}: not a placeholder; expected ${{family.key}} or "
                          "${family.key:format}")
    return text


def rendered(template: Template, values: Mapping[str, Value], check: Check | None, form: Form) -> str:
    """A rule file, whose rules are rules and whose expressions parse (where ``check`` is given).

    Raises:
        ConfigError: one line that names the file, the rule or key, and what to do.
    """
    text = filled(template, values)
    for name, expr in expressions(text, template.where):
        try:
            if check is not None:
                check(expr)
        except ValueError as error:
            used = sorted({found[1] for found in PLACEHOLDER.finditer(template.text)})
            raise ConfigError(f"{template.where}: {name}: not a PromQL expression: {error}; mend the template, or the "
                              f"thresholds that it uses ({', '.join(used[:5])}{', …' if used[5:] else ''})") from None
    if not form.keep_firing_for:
        text = _KEEP.sub("", text)
    namespace = f"namespace: {_namespace(template.name)}\n" if form.mimir else ""
    return HEADER.format(source=template.source or f"templates/{template.name}") + namespace + text


def unused(templates: Iterable[Template], names: Iterable[str]) -> list[str]:
    """Keys that no template asks for."""
    asked = {found[1] for template in templates for found in PLACEHOLDER.finditer(template.text)}
    return sorted(set(names) - asked)


def expressions(text: str, where: str) -> Iterator[tuple[str, str]]:
    """Name and expression of each rule of a rule file.

    Raises:
        ConfigError: it is no rule file.
    """
    try:
        tree = yaml.load(text, Loader=_LOADER)  # noqa: S506
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise ConfigError(f"{where}: {place}not valid YAML: {problem}") from None
    groups = tree.get("groups") if isinstance(tree, dict) else None
    if not isinstance(groups, list) or not groups:
        raise ConfigError(f"{where}: groups: expected a list of groups of rules")
    for group in groups:
        rules = group.get("rules") if isinstance(group, dict) else None
        if not isinstance(rules, list):
            raise ConfigError(f"{where}: groups: each needs a list of rules")
        for rule in rules:
            yield _rule(rule, where)


def _rule(rule: Any, where: str) -> tuple[str, str]:
    name = (rule.get("alert") or rule.get("record")) if isinstance(rule, dict) else None
    if not isinstance(name, str):
        raise ConfigError(f"{where}: a rule without a name: expected alert or record")
    if not isinstance(rule.get("expr"), str):
        raise ConfigError(f"{where}: {name}: expr: expected a PromQL expression")
    return name, rule["expr"]


def _namespace(name: str) -> str:
    """Of its own for each file: a namespace that is loaded twice is replaced."""
    kind, _, file = name.partition("/")
    return f"sales-{kind}-{file.removesuffix('.yml')}"


def _formatted(value: Value, form: str | None, where: str) -> str:
    if form is None:
        return value if isinstance(value, str) else f"{value:.15g}"
    length = seconds(value) if isinstance(value, str) else None
    if form in {"seconds", "words"} and length is not None:
        return f"{length:.15g}" if form == "seconds" else words(length)
    if form in {"percent", "count"} and not isinstance(value, str):
        return f"{value * 100:.10g}%" if form == "percent" else f"{value:,}"
    raise ConfigError(f"{where}:{form}: no format for {value!r}; durations have seconds and words, numbers "
                      "percent and count")
