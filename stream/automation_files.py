"""Automation files: read, checked all together, made ready to be published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from handlers.publishing.catalogue import names_of
from handlers.publishing.publish import parse_automation
from state.audience import Audiences
from state.postgres.automations import Publication
from state.problem import ProblemsError
from stream.trouble import Trouble


class Prepared(NamedTuple):
    """What the files say: automations to publish, and templates that stand beside them."""

    publications: list[Publication]
    templates: dict[str, Mapping[str, object]]


def prepare(
    files: Sequence[Path],
    known_templates: Mapping[str, Mapping[str, object] | None],
    known_audiences: Audiences,
) -> Prepared:
    """Return what the files mean; the known ones are stored already.

    Raises:
        Trouble: one of them cannot be used; says everything that is wrong with any.
    """
    prepared, problems = Prepared([], {}), []
    seen: dict[str, Path] = {}
    for file in files:
        try:
            raw = _parsed(file)
            publication = _publication(raw, known_templates, known_audiences)
        except ProblemsError as error:
            problems += [f"{file}: {problem.text}" for problem in error.problems]
            continue
        if publication.name in seen:
            problems.append(f'{file}: "{publication.name}" is in {seen[publication.name]} too')
        seen[publication.name] = file
        prepared.publications.append(publication)
        prepared.templates.update(raw.get("templates") or {})
    if problems:
        raise Trouble("nothing was applied:\n" + "\n".join(problems))
    return prepared


def _parsed(file: Path) -> dict[str, Any]:
    """Return a file's content; YAML is a superset of JSON, so one parser reads both."""
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Trouble(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Trouble(f"{file}: expected UTF-8 text") from None
    except yaml.YAMLError as error:
        raise Trouble(f"{file}: not YAML: {_one_line(error)}") from None
    if not isinstance(raw, dict):
        raise Trouble(f"{file}: expected an automation with name, steps and connections")
    return raw


def _publication(
    raw: object,
    known_templates: Mapping[str, Mapping[str, object] | None],
    known_audiences: Audiences,
) -> Publication:
    draft = parse_automation(raw, known_templates, known_audiences)
    return Publication(draft.name, draft.definition, names_of(draft.definition), draft.is_enabled)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
