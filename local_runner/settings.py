"""App settings: `local.settings.json` becomes the environment, and names in bindings become values."""

import json
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from local_runner.errors import SettingsError

SETTING_REFERENCE = re.compile(r"%([^%]+)%")


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`. Raises SettingsError if it is anything else."""
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, OSError) as error:
        raise SettingsError(f"{path.name} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path.name} must hold a JSON object")
    return content


def read_local_settings(root: Path) -> dict[str, str] | None:
    """`Values` of local.settings.json, or None if there is no such file."""
    path = root / "local.settings.json"
    if not path.exists():
        return None
    content = read_json_object(path)
    if content.get("IsEncrypted") is not False:
        raise SettingsError('local.settings.json must say "IsEncrypted": false; encrypted settings are not read')
    values = content.get("Values", {})
    if not isinstance(values, dict):
        raise SettingsError("Values in local.settings.json must be an object")
    return {name: _as_text(name, value) for name, value in values.items()}


def _as_text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise SettingsError(f"Values.{name} in local.settings.json must be text")


def apply_settings(values: Mapping[str, str], environ: MutableMapping[str, str]) -> None:
    """Adds the settings to `environ`. A variable that is set and not empty wins, as with `func start`."""
    for name, value in {**values, "AZURE_FUNCTIONS_ENVIRONMENT": "Development"}.items():
        if not environ.get(name):
            environ[name] = value


def load_local_settings(root: Path, environ: MutableMapping[str, str]) -> str | None:
    """Applies local.settings.json and returns a hint for the developer if there is none."""
    values = read_local_settings(root)
    apply_settings(values or {}, environ)
    if values is not None:
        return None
    return (
        f"{root / 'local.settings.json'} is missing: settings come from the environment only. "
        "To get one: cp local.settings.sample.json local.settings.json"
    )


def expand(text: str, environ: Mapping[str, str], where: str) -> str:
    """Replaces each %NAME% by the setting NAME. `where` is for the message if there is none."""

    def value(reference: re.Match[str]) -> str:
        if found := environ.get(reference[1]):
            return found
        raise SettingsError(f"{where} refers to {reference[0]}, but the setting {reference[1]} is missing or empty")

    return SETTING_REFERENCE.sub(value, text)


def is_disabled(function_name: str, environ: Mapping[str, str]) -> bool:
    """Whether AzureWebJobs.NAME.Disabled (or with __, for shells that allow no dots) is 1 or true."""
    names = (f"AzureWebJobs.{function_name}.Disabled", f"AzureWebJobs__{function_name}__Disabled")
    return any(environ.get(name, "").lower() in ("1", "true") for name in names)
