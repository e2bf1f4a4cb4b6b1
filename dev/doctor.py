"""`make doctor`: the doctor, with the settings that `make run` gives to the functions."""

import os
import sys

from dev.environment import SettingsError, local_environment, read_values, storage_connection
from dev.graph import graph_settings, trust_in
from dev.ports import PortError, Ports, is_answered
from dev.run import ROOT
from email_core.doctor.__main__ import run

_NOBODY_LISTENS = (
    "\nNobody listens on port {port}, where `make run` has its storage. Is it running? "
    "If it was started with other ports, give the same ones (README, Run it here).\n"
)


def main() -> int:
    try:
        settings = read_values(ROOT / "local.settings.json")
        sample = read_values(ROOT / "local.settings.sample.json")
        ports = Ports.from_environment(os.environ)
        environment = local_environment(ports, settings, sample, os.environ)
        if ports.graph is not None:
            local = ROOT / (os.environ.get("LOCAL_DIR") or ".local")
            environment |= graph_settings(ports, local, environment)
            os.environ.update(trust_in(local))  # OpenSSL and requests read it there, in this process
    except (PortError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    code = run(environment)
    is_local = environment.get("EmailStorage") == storage_connection(ports)
    if code == 1 and is_local and not is_answered(ports.table):
        sys.stderr.write(_NOBODY_LISTENS.format(port=ports.table))
    return code


if __name__ == "__main__":
    sys.exit(main())
