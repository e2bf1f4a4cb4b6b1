// The subsystem in one resource group: a table of contents. Each module says why it is as it is.
targetScope = 'subscription'

// ---- where and for whom

@description('Names the environment, like dev, test or prod: part of the resource group\'s name, and a tag of everything.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('The Azure region of everything.')
@minLength(1)
param location string

@description('Object id of whoever enters secrets, where the app itself may not. Empty: nobody gets that role.')
param principalId string = ''

@allowed(['User', 'Group', 'ServicePrincipal'])
param principalType string = 'User'

// ---- what the app is told

@description('Email parameters that differ from their defaults, by name: {"smtp_preset": "exchange_online"}. No secrets.')
param emailParameters object = {}

@description('Whether the app may write the vault\'s secrets, for PUT /api/secrets. If not, it only reads them.')
param enterSecretsThroughApi bool = true

// ---- how large

@description('Memory of an instance. 2048: a whole core, and room for 24 emails of 10 MB at once; 512 is for small mail.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Instances at most. Deferred mail counts as queue length and would scale out for nothing: 40 is Azure\'s least.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that always run, each for HTTP and for interactive mail. 0: the first caller after a pause waits for seconds.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int = 0

@description('Copies of what is kept: LRS in one building, ZRS in three zones of the region, GRS and GZRS in a second region too.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageRedundancy string = 'Standard_LRS'

@description('Days that logs are kept. 30 cost nothing beyond their ingestion.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

// ---- options

@description('Who gets the alerts by mail. Empty: they are seen in the portal only.')
param alertEmail string = ''

@description('Whether each request to the storage is logged, for an audit: several lines an email, so it costs.')
param logStorageRequests bool = false

@description('Closes storage and vault to the internet: reached by private endpoints of a network that the app is part of.')
param privateNetwork bool = false

@description('Puts App Service Authentication before the app, with an Entra app of its own. The deployer may need to be allowed to register apps.')
param signIn bool = false

@description('With signIn: client ids of the only apps that may call. Empty: whichever app or person has one of the roles.')
param allowedApplications array = []

@description('Permissions of Microsoft Graph that the app\'s identity gets: Mail.Send, and Mail.ReadWrite for mail over 2 MB. The deployer must be Privileged Role Administrator.')
param graphPermissions array = []

// ---- names

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var functionAppName = 'func-email-${token}'

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: 'rg-email-${environmentName}'
  location: location
  tags: tags
}

// ---- contents

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-email-${token}'
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: 'log-email-${token}'
    applicationInsightsName: 'appi-email-${token}'
    location: location
    tags: tags
    retentionDays: logRetentionDays
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'st${token}'
    location: location
    tags: tags
    redundancy: storageRedundancy
    isPrivate: privateNetwork
    logRequests: logStorageRequests
    workspaceId: monitoring.outputs.workspaceId
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    name: 'kv-${token}'
    location: location
    tags: tags
    isPrivate: privateNetwork
    workspaceId: monitoring.outputs.workspaceId
  }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  name: 'network'
  scope: group
  params: {
    name: 'vnet-email-${token}'
    location: location
    tags: tags
    storageId: storage.outputs.id
    vaultId: vault.outputs.id
  }
}

module roles 'modules/roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    identityPrincipalId: identity.outputs.principalId
    storageName: storage.outputs.name
    vaultName: vault.outputs.name
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    appWritesSecrets: enterSecretsThroughApi
    administratorId: principalId
    administratorType: principalType
  }
}

module graphPermission 'modules/graph-permission.bicep' = if (!empty(graphPermissions)) {
  name: 'graph-permission'
  scope: group
  params: {
    identityPrincipalId: identity.outputs.principalId
    permissions: graphPermissions
  }
}

module entraApp 'modules/entra-app.bicep' = if (signIn) {
  name: 'entra-app'
  scope: group
  params: {
    name: functionAppName
    displayName: 'Email subsystem (${environmentName})'
    identityPrincipalId: identity.outputs.principalId
  }
}

module functions 'modules/functions.bicep' = {
  name: 'functions'
  scope: group
  params: {
    name: functionAppName
    planName: 'plan-email-${token}'
    location: location
    tags: tags
    identityName: identity.outputs.name
    clientId: identity.outputs.clientId
    storageName: storage.outputs.name
    deploymentContainer: storage.outputs.deploymentContainer
    vaultName: vault.outputs.name
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    workspaceId: monitoring.outputs.workspaceId
    emailParameters: emailParameters
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    subnetId: privateNetwork ? network!.outputs.functionsSubnetId : ''
    signInClientId: signIn ? entraApp!.outputs.clientId : ''
    signInAudience: signIn ? entraApp!.outputs.identifierUri : ''
    allowedApplications: allowedApplications
  }
  dependsOn: [roles] // Azure looks into the deployment's container, as the identity, while it makes the app
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    actionGroupName: 'ag-email-${token}'
    location: location
    tags: tags
    alertEmail: alertEmail
    workspaceId: monitoring.outputs.workspaceId
    storageId: storage.outputs.id
    functionAppName: functions.outputs.name
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: {
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    applicationInsightsName: monitoring.outputs.applicationInsightsName
  }
}

// ---- what the deployer needs next

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_APP_NAME string = functions.outputs.name
output AZURE_VAULT_NAME string = vault.outputs.name
output AZURE_IDENTITY_CLIENT_ID string = identity.outputs.clientId
output AZURE_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId
output EMAIL_API_ADDRESS string = functions.outputs.apiAddress
output EMAIL_SIGN_IN_CLIENT_ID string = signIn ? entraApp!.outputs.clientId : ''
