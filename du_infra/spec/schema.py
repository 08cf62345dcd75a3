"""The JSON Schema of fleet.yaml, for editors: what pydantic writes, made strict about names and free of noise."""

from __future__ import annotations

from typing import Any

from du_infra.spec.models import FleetSpec

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a fleet file; each key has a description, unknown keys are refused."""
    schema: dict[str, Any] = _tidy(FleetSpec.model_json_schema())
    return {"$schema": _DIALECT, "title": "fleet.yaml of du-infra"} | schema


def _tidy(part: Any, *, names: bool = False) -> Any:
    """Without the titles that only repeat a key (``names``: inside a mapping whose keys are the user's words)."""
    if isinstance(part, list):
        return [_tidy(item) for item in part]
    if not isinstance(part, dict):
        return part
    tidied = {
        key: _tidy(value, names=key in ("properties", "patternProperties", "$defs"))
        for key, value in part.items()
        if names or key != "title"
    }
    # Only names that fit the pattern are names: pydantic leaves others free.
    return tidied | {"additionalProperties": False} if "patternProperties" in tidied and not names else tidied
