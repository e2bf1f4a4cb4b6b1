#!/usr/bin/env bash
# Lets the app's managed identity use Microsoft Graph, for a deployer who may not: a Privileged Role Administrator runs this,
# in Azure Cloud Shell for instance. Harmless where the permission is there already.
#
#     infra/grant-graph-permission.sh IDENTITY_PRINCIPAL_ID [PERMISSION ...]
#
# The first is the deployment's output AZURE_IDENTITY_PRINCIPAL_ID. Without permissions it is Mail.Send; mail over 2 MB
# needs Mail.ReadWrite too.
set -euo pipefail

if [[ ! ${1:-} =~ ^[0-9a-fA-F-]{36}$ ]]; then
    echo "usage: $0 IDENTITY_PRINCIPAL_ID [PERMISSION ...]" >&2
    exit 2
fi
identity=$1
shift
(($#)) || set -- Mail.Send

graph_app=00000003-0000-0000-c000-000000000000 # Microsoft Graph, in every tenant
graph=$(az ad sp show --id "$graph_app" --query id --output tsv)
assignments=https://graph.microsoft.com/v1.0/servicePrincipals/$identity/appRoleAssignments

for permission in "$@"; do
    role=$(az ad sp show --id "$graph_app" --query "appRoles[?value=='$permission'].id | [0]" --output tsv)
    if [[ -z $role ]]; then
        echo "$permission is no application permission of Microsoft Graph" >&2
        exit 1
    fi
    given=$(az rest --method get --url "$assignments" --query "value[?appRoleId=='$role'].id | [0]" --output tsv)
    if [[ -n $given ]]; then
        echo "$permission: was granted before"
        continue
    fi
    az rest --method post --url "$assignments" --output none --body \
        "{\"principalId\": \"$identity\", \"resourceId\": \"$graph\", \"appRoleId\": \"$role\"}"
    echo "$permission: granted"
done
