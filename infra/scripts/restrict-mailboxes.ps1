<#
.SYNOPSIS
Lets an application send from the members of one group, and from nobody else (RBAC for Applications in Exchange Online).

.DESCRIPTION
Whatever is there already stays as it is. It takes up to two hours to count. A consent in Microsoft Entra counts beside it:
with one, the application may still send from every mailbox.

.PARAMETER Action
restrict, or release, which takes it back.

.PARAMETER ObjectId
Of the enterprise application or managed identity, not of the app registration.
#>
[CmdletBinding(SupportsShouldProcess)]
param(
    [Parameter(Mandatory)] [ValidateSet('restrict', 'release')] [string] $Action,
    [Parameter(Mandatory)] [string] $AppId,
    [Parameter(Mandatory)] [string] $ObjectId,
    [Parameter(Mandatory)] [string] $Group,
    [string] $Name = 'email-subsystem',
    [switch] $LargeMail
)

$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 3.0

function Get-RoleNames {
    'Application Mail.Send'
    if ($LargeMail -or $Action -eq 'release') { 'Application Mail.ReadWrite' }
}

function Find-Assignment([string] $Role) {
    Get-ManagementRoleAssignment -Role $Role -ErrorAction SilentlyContinue |
        Where-Object { $_.Name -eq "$Name $Role" }
}

function Set-Restriction {
    if (-not (Get-ServicePrincipal | Where-Object { $_.AppId -eq $AppId })) {
        if ($PSCmdlet.ShouldProcess($AppId, 'make the application known to Exchange Online')) {
            New-ServicePrincipal -AppId $AppId -ObjectId $ObjectId -DisplayName $Name | Out-Null
        }
    }
    $members = (Get-Group -Identity $Group).DistinguishedName -replace "'", "''"
    $filter = "MemberOfGroup -eq '$members'"
    $scope = Get-ManagementScope -ErrorAction SilentlyContinue | Where-Object { $_.Name -eq $Name }
    if (-not $scope) {
        if ($PSCmdlet.ShouldProcess($Group, 'make a scope of its members')) {
            New-ManagementScope -Name $Name -RecipientRestrictionFilter $filter | Out-Null
        }
    }
    elseif ($scope.RecipientFilter -ne $filter) {
        if ($PSCmdlet.ShouldProcess($Group, 'make the scope that of its members')) {
            Set-ManagementScope -Identity $Name -RecipientRestrictionFilter $filter
        }
    }
    foreach ($role in Get-RoleNames) {
        if (Find-Assignment $role) { Write-Output "$role is assigned already"; continue }
        if ($PSCmdlet.ShouldProcess($Group, "assign $role")) {
            New-ManagementRoleAssignment -Name "$Name $role" -App $ObjectId -Role $role -CustomResourceScope $Name |
                Out-Null
        }
    }
}

function Remove-Restriction {
    foreach ($role in Get-RoleNames) {
        $assignment = Find-Assignment $role
        if ($assignment -and $PSCmdlet.ShouldProcess($assignment.Name, 'remove the role assignment')) {
            Remove-ManagementRoleAssignment -Identity $assignment.Name -Confirm:$false
        }
    }
    $scope = Get-ManagementScope -ErrorAction SilentlyContinue | Where-Object { $_.Name -eq $Name }
    if ($scope -and $PSCmdlet.ShouldProcess($Name, 'remove the scope')) {
        Remove-ManagementScope -Identity $Name -Confirm:$false
    }
    if ((Get-ServicePrincipal | Where-Object { $_.AppId -eq $AppId }) -and
        $PSCmdlet.ShouldProcess($AppId, 'make the application unknown to Exchange Online')) {
        Remove-ServicePrincipal -Identity $ObjectId -Confirm:$false
    }
}

if (-not (Get-Module -ListAvailable ExchangeOnlineManagement)) {
    throw 'Install the module first: Install-Module ExchangeOnlineManagement'
}
Import-Module ExchangeOnlineManagement
if (-not (Get-ConnectionInformation)) { Connect-ExchangeOnline -ShowBanner:$false }
if ($Action -eq 'restrict') { Set-Restriction } else { Remove-Restriction }
