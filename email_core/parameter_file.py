"""`python -m email_core.parameter_file export FILE` writes what administrators stored of the parameters, as JSON and
without secrets; `import FILE` stores it in another environment. Both work on the storage of their environment's
settings. FILE may be `-`.

Exit code 0 where it is done, 1 where it was refused: then nothing was stored. 2 for a wrong call.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from email_core.assembly import utc_now
from email_core.audit import AuditLog
from email_core.caller import Caller, Role
from email_core.errors import EmailSubsystemError, FieldProblem, InvalidEmail
from email_core.parameter_desk import ANY_VERSION, ParameterDesk, Reading
from email_core.parameter_layers import meant_by
from email_core.parameter_rules import warnings
from email_core.parameters import ROWS, Value
from email_core.storage_clients import StorageClients, unreadable_connection
from email_core.stores.azure import AzureAuditStore, AzureParameterStore

COMMAND = Caller(id="command", name="parameter_file import", roles=frozenset({Role.ADMIN}))


def main(arguments: Sequence[str], settings: Mapping[str, str]) -> int:
    wanted = _parser().parse_args(arguments)
    try:
        if wanted.what == "export":
            _write(wanted.file, asyncio.run(_exported(settings)))
            return 0
        reading = asyncio.run(_imported(settings, _read(wanted.file)))
    except InvalidEmail as error:
        sys.stderr.writelines(f"{one.pointer.lstrip('/')} {one.detail}\n" for one in error.problems)
        return 1
    except (EmailSubsystemError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.writelines(f"warning: {words}\n" for words in warnings(reading.layers))
    return 0


async def _exported(settings: Mapping[str, str]) -> Mapping[str, Value]:
    async with _tables(settings) as tables:
        values, _ = await AzureParameterStore(tables).read()
    return {name: value for name, value in values.items() if name in ROWS}


async def _imported(settings: Mapping[str, str], values: Mapping[str, Value | None]) -> Reading:
    """What the file does not name stays as it is."""
    async with _tables(settings) as tables:
        audit = AuditLog(AzureAuditStore(tables), utc_now)
        desk = ParameterDesk(AzureParameterStore(tables), settings, audit, utc_now)
        return await desk.change(values, ANY_VERSION, COMMAND)


def _tables(settings: Mapping[str, str]) -> Any:
    try:
        return StorageClients(settings).tables()
    except ValueError as error:
        raise unreadable_connection(error) from None


def _read(file: str) -> dict[str, Value | None]:
    """Raises InvalidEmail or OSError."""
    try:
        values = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidEmail(FieldProblem("the file", f"is no JSON: {error}")) from None
    if not isinstance(values, dict):
        raise InvalidEmail(FieldProblem("the file", "is not a JSON object"))
    unknown = [
        FieldProblem(name, f"is no parameter of this version. {meant_by(name)}") for name in values if name not in ROWS
    ]
    if unknown:
        raise InvalidEmail(*unknown)
    return values


def _write(file: str, values: Mapping[str, Value]) -> None:
    text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if file == "-":
        sys.stdout.write(text)
    else:
        Path(file).write_text(text, encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "parameter_file", description="Moves what is stored of the parameters between environments, without secrets."
    )
    parser.add_argument("what", choices=("export", "import"))
    parser.add_argument("file", metavar="FILE", help="JSON; - is standard output or input")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
