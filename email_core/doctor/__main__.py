"""`python -m email_core.doctor`: looks at all that sending depends on, with this environment's settings. With `--url` a
deployed app looks, with its own settings; `EMAIL_KEY` or `EMAIL_TOKEN` says who asks.

Exit code 0 where nothing failed, 1 where something did, 2 where it was called in a wrong way.
"""

import argparse
import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Mapping, Sequence

from email_core.addresses import parse_address
from email_core.doctor import report
from email_core.doctor.deployed import examine_deployed, origin_of
from email_core.doctor.examination import examine
from email_core.doctor.finding import Verdict
from email_core.doctor.resolver import DnsResolver, Resolver
from email_core.message import Address


def main(arguments: Sequence[str], settings: Mapping[str, str], resolver: Resolver | None = None) -> int:
    wanted = _wanted(arguments)
    sections = asyncio.run(
        examine_deployed(wanted.url, settings)
        if wanted.url
        else examine(settings, resolver=resolver or DnsResolver(), to=wanted.to)
    )
    sys.stdout.write(report.as_json(sections) if wanted.json else report.as_text(sections, _width()))
    return 1 if report.count(sections, Verdict.FAILED) else 0


def _width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _wanted(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    wanted = parser.parse_args(arguments)
    if wanted.url and wanted.to:
        parser.error("--to goes without --url: a deployed app sends a test email by POST /api/test-email")
    return wanted


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "doctor", description="Looks at all that sending depends on. Sends nothing, unless --to names somebody."
    )
    parser.add_argument("--to", metavar="ADDRESS", type=_address, help="send a test email through each provider")
    help_of_url = "of a deployed app, which looks by itself; EMAIL_KEY is its admin key"
    parser.add_argument("--url", metavar="ADDRESS", type=_origin, help=help_of_url)
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _origin(text: str) -> str:
    try:
        return origin_of(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def run(settings: Mapping[str, str]) -> int:
    logging.disable()  # whatever matters is in the report
    return main(sys.argv[1:], settings)


if __name__ == "__main__":
    sys.exit(run(os.environ))
