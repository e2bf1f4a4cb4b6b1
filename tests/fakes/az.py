"""The Azure CLI, as far as the registration scripts use it: Entra and a Key Vault in one JSON file.

Run as `az ...` (see tests/unit/infra). Answers are those of `--output tsv`; an unknown command fails.
"""

import json
import re
import sys
from pathlib import Path

GRAPH = "00000003-0000-0000-c000-000000000000"
ROLES = {"Mail.Send": "role-send", "Mail.ReadWrite": "role-readwrite"}
EMPTY = {
    "apps": {},
    "principals": {GRAPH: "graph-sp", "mi-app": "mi-1"},
    "grants": {},
    "trusts": {},
    "vault": {},
    "deleted": [],
}
CLOUD = {
    "endpoints.microsoftGraphResourceId": "https://graph.microsoft.com/",
    "endpoints.activeDirectory": "https://login.microsoftonline.com",
    "name": "AzureCloud",
}
CHANGES = ("create", "reset", "set", "delete", "POST", "DELETE")


def option(arguments, name):
    return arguments[arguments.index(name) + 1] if name in arguments else ""


def run(state, arguments):
    query = option(arguments, "--query")
    quoted = re.search(r"'([^']*)'", option(arguments, "--filter") or query)
    wanted = quoted[1] if quoted else ""
    words = " ".join(word for word in arguments[:5] if not word.startswith("-"))
    app = option(arguments, "--id")
    match words.split():
        case ["account", "show", *_]:
            return ["tenant-1"]
        case ["cloud", "show", *_]:
            return [state.get("cloud", CLOUD[query]) if query == "name" else CLOUD[query]]
        case ["ad", "app", "list", *_]:
            return [one for one, name in state["apps"].items() if name == wanted]
        case ["ad", "app", "create", *_]:
            state["apps"][f"app-{len(state['apps']) + 1}"] = option(arguments, "--display-name")
            return ["{}"]
        case ["ad", "app", "delete", *_]:
            del state["apps"][app]
            state["principals"].pop(app, None)
            state["trusts"].pop(app, None)
            return []
        case ["ad", "app", "credential", "reset", *_]:
            return [f"secret-of-{app}"]
        case ["ad", "app", "federated-credential", "list", *_]:
            return [one["name"] for one in state["trusts"].get(app, []) if one["subject"] == wanted]
        case ["ad", "app", "federated-credential", "create", *_]:
            state["trusts"].setdefault(app, []).append(json.loads(option(arguments, "--parameters")))
            return ["{}"]
        case ["ad", "sp", "list", *_]:
            return [one for key, one in state["principals"].items() if key == wanted]
        case ["ad", "sp", "create", *_]:
            state["principals"][app] = f"sp-of-{app}"
            return ["{}"]
        case ["ad", "sp", "show", *_] if query.startswith("appRoles"):
            return [ROLES[wanted]]
        case ["ad", "sp", "show", *_] if query == "appId":
            return [key for key, one in state["principals"].items() if one == app]
        case ["ad", "sp", "show", *_]:
            return [state["principals"][app]]
        case ["keyvault", "secret", "list", *_]:
            return [name for name in state["vault"] if name == wanted]
        case ["keyvault", "secret", "list-deleted", *_]:
            return [name for name in state["deleted"] if name == wanted]
        case ["keyvault", "secret", "set", *_] if option(arguments, "--name") in state["deleted"]:
            sys.exit("(Conflict) Secret is currently in a deleted but recoverable state")
        case ["keyvault", "secret", "set", *_]:
            state["vault"][option(arguments, "--name")] = Path(option(arguments, "--file")).read_text()
            return []
        case ["keyvault", "secret", "delete", *_]:
            del state["vault"][option(arguments, "--name")]
            state["deleted"].append(option(arguments, "--name"))
            return ["{}"]
        case ["rest", *_]:
            return rest(state, arguments, wanted)
    sys.exit(f"az: unknown command {arguments}")


def rest(state, arguments, wanted):
    path = option(arguments, "--url").removeprefix("https://graph.microsoft.com/v1.0/")
    _, principal, _, *identifier = path.split("/")
    grants = state["grants"].setdefault(principal, {})
    match option(arguments, "--method"):
        case "GET":
            return [key for key, role in grants.items() if role == wanted]
        case "POST":
            body = json.loads(option(arguments, "--body"))
            assert (body["principalId"], body["resourceId"]) == (principal, "graph-sp")
            grants[f"grant-{body['appRoleId']}"] = body["appRoleId"]
            return ["{}"]
        case "DELETE":
            del grants[identifier[0]]
            return []
    raise AssertionError(arguments)


def main(file, arguments):
    state = json.loads(file.read_text()) if file.exists() else EMPTY
    for line in run(state, arguments):
        print(line)
    if set(arguments) & set(CHANGES):
        file.write_text(json.dumps(state))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
