#!/usr/bin/env bash
# Registers, once, the application that sends through Microsoft Graph. Whatever is there already stays as it is.
# docs/how-to/register-graph-app.md has the steps in words, and the same by hand.
set -euo pipefail

usage() {
    cat <<'TEXT'
register-graph-app.sh --credential identity|federation|secret [options]

  --credential identity    the function app's managed identity itself: no app registration, no secret
  --credential federation  an app registration that trusts the managed identity: no secret
  --credential secret      an app registration with a client secret, which goes into the Key Vault

  --identity ID        object (principal) id of the managed identity; for identity and federation
  --vault NAME         the Key Vault; for secret
  --name NAME          the app registration's display name ("Email subsystem"); one for each environment
  --large-mail         Mail.ReadWrite as well: mail over 2 MB, and proof after a lost answer
  --mailboxes GROUP    only for the members of this mail-enabled group (RBAC for Applications). Without it the
                       application may send from every mailbox of the tenant
  --renew              a new client secret, although there is one
  --undo               takes back all that this script did for the same options
  --what-if            says what would be done, and does nothing

Needs the Azure CLI, signed in as a Privileged Role Administrator; with --vault also as a Key Vault Secrets Officer there;
with --mailboxes also PowerShell (pwsh) with the module ExchangeOnlineManagement, and the right to manage roles in Exchange
Online. With a certificate it is done by hand: docs/how-to/register-graph-app.md.
TEXT
}

GRAPH_APP=00000003-0000-0000-c000-000000000000
SECRET_NAME=graph-client-secret
OWN_NAME=email-subsystem # of the client secret; with whose it is, of the federated credential and of what Exchange Online has
ROLES=(Mail.Send Mail.ReadWrite)

credential='' identity='' vault='' name='Email subsystem' large_mail=no mailboxes='' renew=no undo=no what_if=no

say() { printf '%s\n' "$@"; }
fail() { printf 'register-graph-app: %s\n' "$*" >&2; exit 1; }

# Does it, or with --what-if only says so.
change() {
    local what=$1
    shift
    if [[ $what_if == yes ]]; then
        say "would $what"
    else
        say "$what"
        "$@"
    fi
}

quietly() { "$@" >/dev/null; }

read_options() {
    while (($#)); do
        case $1 in
            --credential) credential=${2:?--credential needs a value}; shift ;;
            --identity) identity=${2:?--identity needs a value}; shift ;;
            --vault) vault=${2:?--vault needs a value}; shift ;;
            --name) name=${2:?--name needs a value}; shift ;;
            --mailboxes) mailboxes=${2:?--mailboxes needs a value}; shift ;;
            --large-mail) large_mail=yes ;;
            --renew) renew=yes ;;
            --undo) undo=yes ;;
            --what-if) what_if=yes ;;
            -h | --help) usage; exit 0 ;;
            *) fail "unknown option $1 (--help lists all)" ;;
        esac
        shift
    done
    case $credential in
        identity | federation) [[ $identity ]] || fail "--credential $credential needs --identity" ;;
        secret) [[ $vault ]] || fail "--credential secret needs --vault" ;;
        certificate) fail "with a certificate it is done by hand: docs/how-to/register-graph-app.md" ;;
        *) fail "--credential is identity, federation or secret" ;;
    esac
    [[ $name != *[\'\"\\]* ]] || fail "--name must have no quotation mark or backslash"
    [[ $mailboxes != *[\'\"\`\$]* ]] || fail "--mailboxes is the address of a group"
}

# ---- Microsoft Entra

graph() { # METHOD PATH [BODY]
    local body=()
    [[ ${3-} ]] && body=(--headers Content-Type=application/json --body "$3")
    az rest --method "$1" --url "$graph_address/v1.0/$2" --output json "${body[@]}"
}

find_app() { # its application id, or nothing
    local found
    found=$(az ad app list --filter "displayName eq '$name'" --query '[].appId' --output tsv)
    [[ $(wc -w <<<"$found") -le 1 ]] || fail "there are several app registrations named $name: choose another --name"
    printf '%s' "$found"
}

find_principal() { # APP -> the object id of its enterprise application, or nothing
    az ad sp list --filter "appId eq '$1'" --query '[].id' --output tsv
}

role_id() { az ad sp show --id $GRAPH_APP --query "appRoles[?value=='$1'].id | [0]" --output tsv; }

granted() { # PRINCIPAL ROLE -> the id of the consent, or nothing
    az rest --method GET --url "$graph_address/v1.0/servicePrincipals/$1/appRoleAssignments" \
        --query "value[?appRoleId=='$(role_id "$2")'].id | [0]" --output tsv
}

grant() { # PRINCIPAL ROLE
    [[ -z $(granted "$1" "$2") ]] || { say "$2 is granted already"; return; }
    local body
    body=$(printf '{"principalId": "%s", "resourceId": "%s", "appRoleId": "%s"}' "$1" "$graph_principal" "$(role_id "$2")")
    change "grant $2 for all mailboxes of the tenant" quietly graph POST "servicePrincipals/$1/appRoleAssignments" "$body"
}

revoke() { # PRINCIPAL ROLE
    local id
    id=$(granted "$1" "$2")
    [[ -z $id ]] || change "revoke $2 for all mailboxes" quietly graph DELETE "servicePrincipals/$1/appRoleAssignments/$id"
}

roles() { if [[ $large_mail == yes ]]; then say "${ROLES[@]}"; else say Mail.Send; fi; }

register_app() { # sets app and principal
    app=$(find_app)
    if [[ -z $app ]]; then
        change "register the app \"$name\"" quietly az ad app create --display-name "$name" --sign-in-audience AzureADMyOrg
        [[ $what_if == yes ]] || app=$(find_app)
    fi
    principal=$([[ -z $app ]] || find_principal "$app")
    if [[ -z $principal ]]; then
        change "make its enterprise application" quietly az ad sp create --id "${app:-of the new app}"
        [[ $what_if == yes ]] || principal=$(find_principal "$app")
    fi
}

trust_identity() {
    local found=''
    [[ -z $app ]] || found=$(az ad app federated-credential list --id "$app" --query "[?subject=='$identity'].name" --output tsv)
    [[ -z $found ]] || { say "the managed identity is trusted already"; return; }
    local trust
    trust=$(printf '{"name": "%s", "issuer": "%s/%s/v2.0", "subject": "%s", "audiences": ["%s"]}' \
        "$OWN_NAME-${identity:0:8}" "$login_address" "$tenant" "$identity" "$audience")
    change "let the app trust the managed identity" \
        quietly az ad app federated-credential create --id "${app:-of the new app}" --parameters "$trust"
}

keep_secret() {
    local kept=''
    kept=$(az keyvault secret list --vault-name "$vault" --query "[?name=='$SECRET_NAME'].name" --output tsv)
    if [[ $kept && $renew == no ]]; then
        say "the Key Vault has a client secret already (--renew makes another)"
        return
    fi
    [[ $kept || -z $(az keyvault secret list-deleted --vault-name "$vault" --query "[?name=='$SECRET_NAME'].name" --output tsv) ]] ||
        fail "$SECRET_NAME was deleted in the Key Vault $vault: recover it (az keyvault secret recover --vault-name $vault" \
            "--name $SECRET_NAME), then run this again with --renew"
    change "make a client secret and put it into the Key Vault $vault" put_new_secret
}

put_new_secret() ( # through a file that only we can read: arguments are seen by every process
    file=$(umask 077 && mktemp)
    trap 'rm -f "$file"' EXIT
    az ad app credential reset --id "$app" --append --display-name $OWN_NAME --years 1 --query password --output tsv |
        tr -d '\r\n' >"$file"
    az keyvault secret set --vault-name "$vault" --name $SECRET_NAME --file "$file" --encoding utf-8 >/dev/null
)

# ---- Exchange Online

exchange() { # ACTION: restrict or release
    command -v pwsh >/dev/null || fail "--mailboxes needs PowerShell: install pwsh, or run register-graph-app.ps1 on Windows"
    local options=(-Action "$1" -AppId "$app_id" -ObjectId "$principal" -Group "$mailboxes" -Name "$OWN_NAME-${app_id:0:8}")
    [[ $large_mail == yes ]] && options+=(-LargeMail)
    [[ $what_if == yes ]] && options+=(-WhatIf)
    pwsh -NoProfile -File "$(dirname "${BASH_SOURCE[0]}")/restrict-mailboxes.ps1" "${options[@]}"
}

# ---- all of it

app='' principal='' app_id=''

whose() { # sets principal and app_id: of the managed identity, or of the app registration
    if [[ $credential == identity ]]; then
        principal=$identity
        app_id=$(az ad sp show --id "$identity" --query appId --output tsv)
    else
        register_app
        app_id=$app
    fi
}

register() {
    whose
    if [[ $mailboxes ]]; then
        if [[ -z $principal ]]; then
            say "would let it send from the members of $mailboxes, and from nobody else"
        else
            exchange restrict
            for role in "${ROLES[@]}"; do revoke "$principal" "$role"; done # both together would mean: from all
        fi
    else
        for role in $(roles); do grant "${principal:-new}" "$role"; done
    fi
    [[ $credential != federation ]] || trust_identity
    [[ $credential != secret ]] || keep_secret
    say '' "Parameters (app settings EmailParameters__<name>):"
    say "  graph_credential = $credential"
    [[ $cloud == global ]] || say "  graph_cloud = $cloud"
    [[ $credential == identity ]] || say "  graph_tenant_id = $tenant" "  graph_client_id = ${app:-(of the new app)}"
}

take_back() {
    if [[ $credential == identity ]]; then
        whose
    else
        app=$(find_app)
        [[ $app ]] || { say "there is no app registration \"$name\""; return; }
        principal=$(find_principal "$app")
        app_id=$app
    fi
    [[ -z $mailboxes ]] || exchange release
    for role in "${ROLES[@]}"; do revoke "$principal" "$role"; done
    [[ $credential != secret ]] || forget_secret
    [[ -z $app ]] || change "delete the app registration \"$name\"" quietly az ad app delete --id "$app"
}

forget_secret() {
    local kept
    kept=$(az keyvault secret list --vault-name "$vault" --query "[?name=='$SECRET_NAME'].name" --output tsv)
    [[ -z $kept ]] || change "delete the client secret from the Key Vault $vault (it can be recovered there)" \
        quietly az keyvault secret delete --vault-name "$vault" --name $SECRET_NAME
}

main() {
    read_options "$@"
    command -v az >/dev/null || fail "the Azure CLI (az) is missing"
    tenant=$(az account show --query tenantId --output tsv) || fail "sign in first: az login"
    graph_address=$(az cloud show --query endpoints.microsoftGraphResourceId --output tsv)
    graph_address=${graph_address%/}
    login_address=$(az cloud show --query endpoints.activeDirectory --output tsv)
    login_address=${login_address%/}
    case $(az cloud show --query name --output tsv) in
        AzureUSGovernment) cloud=us_gcc_high audience=api://AzureADTokenExchangeUSGov ;;
        AzureChinaCloud) cloud=china audience=api://AzureADTokenExchangeChina ;;
        *) cloud=global audience=api://AzureADTokenExchange ;;
    esac
    graph_principal=$(az ad sp show --id $GRAPH_APP --query id --output tsv)
    if [[ $undo == yes ]]; then take_back; else register; fi
}

main "$@"
