"""What `nextbridge check` says of the file and, with --online, of what is outside it: for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nextbridge.config.model import Config
from nextbridge.config.problem import Problem, render
from nextbridge.control.table import harmless
from nextbridge.driver import Finding
from nextbridge.redaction import redaction

if TYPE_CHECKING:
    from nextbridge.checking.online import Found  # whoever only looks at the file need not load it

__all__ = ["as_json", "as_text", "render"]


def as_text(config: Config, found: Found | None = None) -> str:
    """A valid file in one line, below what each of its instances found out, and what is true of `global`."""
    channels = {each.channel for rule in config.rules for each in (*rule.sources, *rule.targets)}
    sections = [] if found is None else _sections(found)
    lines = [line for title, findings in sections for line in _section(title, findings)]
    undone = sum(not finding.ok for _, findings in sections for finding in findings)
    lines.append(
        f"{config.path}: fine: {_count(len(config.instances), 'instance')}, {_count(len(config.rules), 'rule')}, "
        f"{_count(len(channels), 'channel')}"
    )
    if undone:
        lines.append(f"{_count(undone, 'finding')} to be seen to, marked with !")
    elif found is not None:
        lines.append(f"{_count(len(found.instances), 'instance')} can work as the file has it")
    return "\n".join(lines)


def as_json(problems: Sequence[Problem], found: Found | None = None) -> str:
    """Everything, in ASCII: nothing in it that a terminal would obey. What is true of `global` has no instance."""
    findings: list[tuple[str | None, str | None, Finding]] = []
    if found is not None:
        findings += [(each.instance, each.platform, finding) for each in found.instances for finding in each.findings]
        findings += [(None, None, finding) for finding in found.general]
    return json.dumps(
        {
            "problems": [
                {
                    "severity": each.severity,
                    "file": each.file,
                    "line": each.line,
                    "column": each.column,
                    "path": each.path,
                    "message": each.message,
                    "suggestion": each.suggestion,
                }
                for each in problems
            ],
            "findings": [
                {
                    "instance": instance,
                    "platform": platform,
                    "ok": finding.ok,
                    "subject": redaction.mask(finding.subject),
                    "text": redaction.mask(finding.text),
                }
                for instance, platform, finding in findings
            ],
        },
        indent=2,
    )


def _sections(found: Found) -> list[tuple[str, Sequence[Finding]]]:
    of_instances = [(f"{each.instance} ({each.title})", each.findings) for each in found.instances]
    return [*of_instances, ("global", found.general)]


def _section(title: str, findings: Sequence[Finding]) -> list[str]:
    lines = [title]
    for each in findings:
        text = " ".join(f"{each.subject}: {each.text}".split())
        lines.append(f"  {' ' if each.ok else '!'} {harmless(redaction.mask(text))}")
    return [*lines, ""]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
