"""The pages that are made from the code: the commands, the keys of params.yaml. `make reference` writes them."""

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mdformat
import typer
from pydantic import BaseModel
from typer.cli import get_docs_for_click

from hflow.commands.cli import app
from hflow.foundation.params import Params

__all__ = ["PAGES"]

PARAMS_HEAD = """# params.yaml

Every key, its values, and what it is where the file does not name it; an unknown key and an impossible value are
refused by name. `hflow init PRESET` writes a whole file. This page is made from the code, by `make reference`.
"""
TABLE_HEAD = "| key | values | default | meaning |\n| --- | --- | --- | --- |\n"
WRAP = {"wrap": 120, "number": True, "plugin": {"tables": {"compact_tables": True}}}
KINDS = {"integer": "integer", "number": "number", "boolean": "`true`, `false`", "null": "`null`", "string": "text"}
WHOLE = 200
"""More characters than the summary of any command has."""


def commands_page() -> str:
    """What `hflow --help` and the help of each command say, as Markdown."""
    command = typer.main.get_command(app)
    assert isinstance(command, typer.main.TyperGroup)
    context = typer.Context(command, info_name="hflow")
    text = html.unescape(get_docs_for_click(obj=command, ctx=context, name="hflow", title="Commands"))
    for name, one in command.commands.items():
        # Typer cuts these off at 45 characters.
        short, whole = one.get_short_help_str(), one.get_short_help_str(limit=WHOLE)
        text = text.replace(f"* `{name}`: {short}\n", f"* [`{name}`](#hflow-{name}): {whole}\n", 1)
    return _formatted(text)


def params_page() -> str:
    """A table a section: key, values, default, meaning."""
    definitions = Params.model_json_schema()["$defs"]
    sections = [
        f"\n## {name}\n\n{definition['description']}\n\n{TABLE_HEAD}" + "".join(_rows(definition, name, definitions))
        for name, definition in ((name, definitions[_section(field)]) for name, field in Params.model_fields.items())
    ]
    return _formatted(PARAMS_HEAD + "".join(sections))


def _section(field: Any) -> str:
    assert issubclass(field.annotation, BaseModel)
    return str(field.annotation.__name__)


def _rows(definition: dict[str, Any], prefix: str, definitions: dict[str, Any]) -> Iterator[str]:
    for name, value in definition["properties"].items():
        key = f"{prefix}.{name}"
        if "$ref" in value:
            yield from _rows(definitions[value["$ref"].rpartition("/")[2]], key, definitions)
            continue
        default = f"`{json.dumps(value['default'])}`" if "default" in value else "to be given"
        yield f"| `{key}` | {_values(value)} | {default} | {' '.join(value['description'].split())} |\n"
        for choice in value.get("anyOf", []):
            if "$ref" in choice:
                yield from _rows(definitions[choice["$ref"].rpartition("/")[2]], key, definitions)


def _values(schema: dict[str, Any]) -> str:
    """What a value may be, in words."""
    if "$ref" in schema:
        return "a section"
    if "anyOf" in schema:
        return " or ".join(_values(choice) for choice in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "prefixItems" in schema:
        return f"[{', '.join(_values(item) for item in schema['prefixItems'])}]"
    if schema["type"] == "array":
        return f"a list, each {_values(schema['items'])}"
    kind = "path" if schema.get("format") == "path" else KINDS[schema["type"]]
    return f"{kind} {_range(schema)}".strip()


def _range(schema: dict[str, Any]) -> str:
    least, above, most = schema.get("minimum"), schema.get("exclusiveMinimum"), schema.get("maximum")
    if schema["type"] == "integer" and "exclusiveMaximum" in schema:
        most = schema["exclusiveMaximum"] - 1
    ends = [f"{word} {end:.15g}" for word, end in (("from", least), ("above", above), ("to", most)) if end is not None]
    return " ".join(ends) + (f"of `{schema['pattern']}`" if "pattern" in schema else "")


def _formatted(text: str) -> str:
    return str(mdformat.text(text, options=WRAP, extensions={"gfm", "tables", "mkdocs"}))


PAGES = {"commands.md": commands_page, "params.md": params_page}
"""What makes each page of this folder."""

if __name__ == "__main__":
    for page, make in PAGES.items():
        (Path(__file__).parent / page).write_text(make(), encoding="utf-8")
