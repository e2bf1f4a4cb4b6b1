<#
.SYNOPSIS
Registers, once, the application that sends through Microsoft Graph. Whatever is there already stays as it is.

.DESCRIPTION
The same as register-graph-app.sh; docs/how-to/register-graph-app.md has the steps in words, and the same by hand. Needs the
Azure CLI, signed in as a Privileged Role Administrator; with -Vault also as a Key Vault Secrets Officer there; with
-Mailboxes also the module ExchangeOnlineManagement, and the right to manage roles in Exchange Online. -WhatIf says what would
be done, and does nothing; -Verbose says what is done. With a certificate it is done by hand: the document says how.

.PARAMETER Credential
identity: the function app's managed identity itself. federation: an app registration that trusts it. secret: an app
registration with a client secret, which goes into the Key Vault.

.PARAMETER Identity
Object (principal) id of the managed identity; for identity and federation.

.PARAMETER Vault
The Key Vault; for secret.

.PARAMETER Name
The app registration's display name; one for each environment.

.PARAMETER LargeMail
Mail.ReadWrite as well: mail over 2 MB, and proof after a lost answer.

.PARAMETER Mailboxes
Only for the members of this mail-enabled group. Without it the application may send from every mailbox of the tenant.

.PARAMETER Renew
A new client secret, although there is one.

.PARAMETER Undo
Takes back all that this script did for the same parameters.
#>
[CmdletBinding(SupportsShouldProcess)]
param(
    [Parameter(Mandatory)] [ValidateSet('identity', 'federation', 'secret')] [string] $Credential,
    [string] $Identity,
    [string] $Vault,
    [ValidatePattern('^[^''"\\]+$')] [string] $Name = 'Email subsystem',
    [string] $Mailboxes,
    [switch] $LargeMail,
    [switch] $Renew,
    [switch] $Undo
)

$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 3.0

$GraphApp = '00000003-0000-0000-c000-000000000000'
$SecretName = 'graph-client-secret'
$OwnName = 'email-subsystem'

function Invoke-Az {
    $answer = & az @args
    if ($LASTEXITCODE -ne 0) { throw "az $($args[0..1] -join ' ') failed" }
    $answer
}

# JSON goes through a file: PowerShell and az disagree about quotation marks.
function Invoke-AzWithFile([string] $Text, [scriptblock] $Command) {
    $file = New-TemporaryFile
    try {
        [IO.File]::WriteAllText($file.FullName, $Text)
        & $Command $file.FullName
    }
    finally { Remove-Item $file.FullName }
}

function Find-App {
    $found = @(Invoke-Az ad app list --filter "displayName eq '$Name'" --query '[].appId' --output tsv)
    if ($found.Count -gt 1) { throw "There are several app registrations named ${Name}: choose another -Name" }
    $found | Select-Object -First 1
}

function Find-Principal([string] $App) {
    Invoke-Az ad sp list --filter "appId eq '$App'" --query '[].id' --output tsv | Select-Object -First 1
}

function Get-RoleId([string] $Role) {
    Invoke-Az ad sp show --id $GraphApp --query "appRoles[?value=='$Role'].id | [0]" --output tsv
}

function Find-Grant([string] $Principal, [string] $Role) {
    Invoke-Az rest --method GET --url "$GraphAddress/v1.0/servicePrincipals/$Principal/appRoleAssignments" `
        --query "value[?appRoleId=='$(Get-RoleId $Role)'].id | [0]" --output tsv
}

function Add-Grant([string] $Principal, [string] $Role) {
    if ($Principal -and (Find-Grant $Principal $Role)) { Write-Output "$Role is granted already"; return }
    if (-not $PSCmdlet.ShouldProcess('all mailboxes of the tenant', "grant $Role")) { return }
    $body = @{ principalId = $Principal; resourceId = $GraphPrincipal; appRoleId = Get-RoleId $Role } | ConvertTo-Json
    Invoke-AzWithFile $body {
        param($file)
        Invoke-Az rest --method POST --url "$GraphAddress/v1.0/servicePrincipals/$Principal/appRoleAssignments" `
            --headers Content-Type=application/json --body "@$file" | Out-Null
    }
}

function Remove-Grant([string] $Principal, [string] $Role) {
    $id = Find-Grant $Principal $Role
    if ($id -and $PSCmdlet.ShouldProcess('all mailboxes', "revoke $Role")) {
        Invoke-Az rest --method DELETE `
            --url "$GraphAddress/v1.0/servicePrincipals/$Principal/appRoleAssignments/$id" | Out-Null
    }
}

function Add-App {
    if (-not (Find-App) -and $PSCmdlet.ShouldProcess($Name, 'register the app')) {
        Invoke-Az ad app create --display-name $Name --sign-in-audience AzureADMyOrg | Out-Null
    }
    $app = Find-App
    if (-not ($app -and (Find-Principal $app)) -and $PSCmdlet.ShouldProcess($Name, 'make its enterprise application')) {
        Invoke-Az ad sp create --id $app | Out-Null
    }
    $app
}

function Add-Trust([string] $App) {
    if ($App -and (Invoke-Az ad app federated-credential list --id $App --query "[?subject=='$Identity'].name" --output tsv)) {
        Write-Output 'the managed identity is trusted already'
        return
    }
    if (-not $PSCmdlet.ShouldProcess($Name, 'let the app trust the managed identity')) { return }
    $trust = @{
        name = "$OwnName-$($Identity.Substring(0, 8))"; issuer = "$LoginAddress/$Tenant/v2.0"; subject = $Identity; audiences = @($Audience)
    } | ConvertTo-Json
    Invoke-AzWithFile $trust {
        param($file)
        Invoke-Az ad app federated-credential create --id $App --parameters "@$file" | Out-Null
    }
}

function Find-Secret {
    Invoke-Az keyvault secret list --vault-name $Vault --query "[?name=='$SecretName'].name" --output tsv
}

function Add-Secret([string] $App) {
    if ((Find-Secret) -and -not $Renew) {
        Write-Output 'the Key Vault has a client secret already (-Renew makes another)'
        return
    }
    $deleted = Invoke-Az keyvault secret list-deleted --vault-name $Vault --query "[?name=='$SecretName'].name" --output tsv
    if ($deleted -and -not (Find-Secret)) {
        throw "$SecretName was deleted in the Key Vault ${Vault}: recover it (az keyvault secret recover " +
            "--vault-name $Vault --name $SecretName), then run this again with -Renew"
    }
    if (-not $PSCmdlet.ShouldProcess($Vault, 'make a client secret and put it into the Key Vault')) { return }
    $value = Invoke-Az ad app credential reset --id $App --append --display-name $OwnName --years 1 `
        --query password --output tsv
    Invoke-AzWithFile $value {
        param($file)
        Invoke-Az keyvault secret set --vault-name $Vault --name $SecretName --file $file --encoding utf-8 | Out-Null
    }
}

function Invoke-Exchange([string] $Action, [string] $AppId, [string] $ObjectId) {
    & (Join-Path $PSScriptRoot 'restrict-mailboxes.ps1') -Action $Action -AppId $AppId -ObjectId $ObjectId `
        -Group $Mailboxes -Name "$OwnName-$($AppId.Substring(0, 8))" -LargeMail:$LargeMail -WhatIf:$WhatIfPreference
}

function Add-Registration {
    $app = if ($Credential -eq 'identity') { $null } else { Add-App }
    # With -WhatIf neither is there yet.
    $principal = if ($Credential -eq 'identity') { $Identity } elseif ($app) { Find-Principal $app }
    $appId = if ($app) { $app } elseif ($principal) { Invoke-Az ad sp show --id $principal --query appId --output tsv }
    if ($Mailboxes -and $principal) {
        Invoke-Exchange restrict $appId $principal
        $AllRoles | ForEach-Object { Remove-Grant $principal $_ }  # both together would mean: from all
    }
    elseif ($Mailboxes) { Write-Output "would let it send from the members of $Mailboxes, and from nobody else" }
    else { $Roles | ForEach-Object { Add-Grant $principal $_ } }
    if ($Credential -eq 'federation') { Add-Trust $app }
    if ($Credential -eq 'secret') { Add-Secret $app }
    Write-Output '', 'Parameters (app settings EmailParameters__<name>):', "  graph_credential = $Credential"
    if ($Cloud -ne 'global') { Write-Output "  graph_cloud = $Cloud" }
    if ($Credential -ne 'identity') { Write-Output "  graph_tenant_id = $Tenant", "  graph_client_id = $app" }
}

function Remove-Registration {
    $app = if ($Credential -eq 'identity') { $null } else { Find-App }
    if ($Credential -ne 'identity' -and -not $app) { Write-Output "there is no app registration $Name"; return }
    $principal = if ($app) { Find-Principal $app } else { $Identity }
    $appId = if ($app) { $app } else { Invoke-Az ad sp show --id $principal --query appId --output tsv }
    if ($Mailboxes) { Invoke-Exchange release $appId $principal }
    $AllRoles | ForEach-Object { Remove-Grant $principal $_ }
    if ($Credential -eq 'secret' -and (Find-Secret) -and
        $PSCmdlet.ShouldProcess($Vault, 'delete the client secret (it can be recovered there)')) {
        Invoke-Az keyvault secret delete --vault-name $Vault --name $SecretName | Out-Null
    }
    if ($app -and $PSCmdlet.ShouldProcess($Name, 'delete the app registration')) { Invoke-Az ad app delete --id $app }
}

if ($Credential -ne 'secret' -and -not $Identity) { throw "-Credential $Credential needs -Identity" }
if ($Credential -eq 'secret' -and -not $Vault) { throw '-Credential secret needs -Vault' }
$Tenant = Invoke-Az account show --query tenantId --output tsv
$GraphAddress = (Invoke-Az cloud show --query endpoints.microsoftGraphResourceId --output tsv).TrimEnd('/')
$LoginAddress = (Invoke-Az cloud show --query endpoints.activeDirectory --output tsv).TrimEnd('/')
$Cloud, $Audience = switch (Invoke-Az cloud show --query name --output tsv) {
    'AzureUSGovernment' { 'us_gcc_high', 'api://AzureADTokenExchangeUSGov' }
    'AzureChinaCloud' { 'china', 'api://AzureADTokenExchangeChina' }
    default { 'global', 'api://AzureADTokenExchange' }
}
$GraphPrincipal = Invoke-Az ad sp show --id $GraphApp --query id --output tsv
$AllRoles = 'Mail.Send', 'Mail.ReadWrite'
$Roles = if ($LargeMail) { $AllRoles } else { , 'Mail.Send' }
if ($Undo) { Remove-Registration } else { Add-Registration }
