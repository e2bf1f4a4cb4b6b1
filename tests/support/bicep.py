"""As much of Bicep as our rules need: what is declared in infra/, and the text of each declaration."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.support.azurite import ROOT

INFRA = ROOT / "infra"
FILES = sorted(INFRA.rglob("*.bicep"))
DECLARATION = re.compile(r"^ *(param|var|output|module|resource) (\w+)(?: '([^']+)')?([^\n=]*)(?:= ?)?", re.MULTILINE)


@dataclass(frozen=True)
class Declaration:
    """`what` is a resource's type without its version, a module's path, or else what stands before the `=`."""

    file: Path
    kind: str
    name: str
    what: str
    is_existing: bool
    value: str

    def property(self, name: str) -> str | None:
        """The text of the first property of that name, at any depth."""
        found = re.search(rf"\b{name}: ", self.value)
        return None if found is None else balanced(self.value[found.end() :])


def text_of(file: Path) -> str:
    """Without comments: `//` inside of a string follows a colon."""
    return re.sub(r"(?<!:)//.*", "", file.read_text())


def balanced(text: str) -> str:
    """Up to the end of the line on which all brackets that were opened are closed again, or the one round it is."""
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter in "{[(") - (letter in "}])")
        if depth < 0 or (depth == 0 and letter == "\n" and not text[at:].lstrip().startswith(("?", ":"))):
            return text[:at].strip()
    return text.strip()


def declarations(file: Path) -> list[Declaration]:
    text = text_of(file)
    return [
        Declaration(
            file,
            found[1],
            found[2],
            (found[3] or found[4]).partition("@")[0].strip(),
            "existing" in found[4],
            balanced(text[found.end() :]),
        )
        for found in DECLARATION.finditer(text)
    ]


def everything(kind: str) -> list[Declaration]:
    return [one for file in FILES for one in declarations(file) if one.kind == kind]


def resources(kind: str) -> list[Declaration]:
    """Those that the deployment makes, by their type without its version."""
    return [one for one in everything("resource") if one.what == kind and not one.is_existing]


def declared(file: str, kind: str, name: str) -> Declaration:
    return next(one for one in declarations(INFRA / file) if (one.kind, one.name) == (kind, name))


def keys(value: str) -> list[str]:
    """The names of an object's properties, at its first level."""
    depth, names = 0, []
    for line in value.splitlines():
        if depth == 1 and (found := re.match(r"\s*(\w+):", line)):
            names.append(found[1])
        depth += sum((letter in "{[(") - (letter in "}])") for letter in line)
    return names
