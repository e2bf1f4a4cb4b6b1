"""`python -m benchmarks [name ...]`: all of them, or those named. `--profile` where a benchmark has one."""

import argparse
import importlib
import inspect

from benchmarks import report

NAMES = (
    "storage_requests",
    "cpu",
    "throughput",
    "accept_latency",
    "listing",
    "purge",
    "memory",
    "smtp_pool",
    "throttle_simulation",
)
LONG = ("throttle_live",)  # only where named


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join((*NAMES, *LONG)))
    parser.add_argument("--profile", action="store_true", help="cpu: also show where the time goes")
    options = parser.parse_args()
    unknown = set(options.names) - {*NAMES, *LONG}
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    report.machine()
    for name in options.names or NAMES:
        benchmark = importlib.import_module(f"benchmarks.{name}")
        report.heading(name, inspect.getdoc(benchmark) or "")
        benchmark.run(options)


if __name__ == "__main__":
    main()
