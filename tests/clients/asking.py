"""schemathesis, asking a live server all that its OpenAPI document allows, and what it does not.

It runs as a program of its own, as its users run it: what it finds comes with a curl line.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

#: What every answer is held to. Whether odd data is refused is ours to say: clients send plenty
#: that no document has, and are understood.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "ignored_auth",
)

#: How many requests an operation gets in each of its phases; for the night, set it higher.
EXAMPLES = os.environ.get("WAITLINE_TEST_EXAMPLES", "15")

#: How often a value that is known stands where anything could.
KNOWN_OFTEN = 0.5


async def ask_everything(
    document_url: str, login: str, known: Mapping[str, Sequence[str]], folder: Path
) -> str:
    """Run it, the same requests every time; return what it says.

    `login` is how it is let in, as its configuration says that. `known` are values that lead
    somewhere, by the parameters they fit, such as `path.contact` or `body.email`.

    Raises:
        AssertionError: it found something; says what.
    """
    config = folder / "schemathesis.toml"
    config.write_text("\n".join(["[auth.openapi]", login, *_config(known), ""]))
    program = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("schemathesis"), "--config-file", config),
        *("run", document_url, "--checks", ",".join(CHECKS)),
        *("--max-examples", EXAMPLES, "--seed", "1", "--generation-deterministic"),
        *("--no-color", "--continue-on-failure"),
        *("--suppress-health-check", "all", "--request-timeout", "30"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await program.communicate()
    finally:
        if program.returncode is None:
            program.kill()
    assert program.returncode == 0, said.decode()
    return said.decode()


def _config(known: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the lines that tell it of them; a JSON string or list is TOML as well."""
    lines = []
    for name, values in known.items():
        label = name.replace(".", "-")
        lines += [f"[dictionaries.{label}]", f"values = {json.dumps(list(values))}"]
    lines.append("[parameters]")
    for name in known:
        label, often = name.replace(".", "-"), KNOWN_OFTEN
        lines.append(f'{json.dumps(name)} = {{dictionary = "{label}", probability = {often}}}')
    return lines
