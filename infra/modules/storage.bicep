// All that is kept: emails, their doorbells, large content, the host's own state and the app's package. One account, so
// that one identity's roles on it are all there is to grant. It has no keys to leak: they are off.

param name string
param location string
param tags object
param redundancy string
param isPrivate bool
param logRequests bool
param workspaceId string

var names = loadJsonContent('../names.json') // the code's own: `python -m dev.reference` writes them
var deploymentContainer = 'app-package'
var logged = [for category in ['StorageRead', 'StorageWrite', 'StorageDelete']: { category: category, enabled: true }]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: redundancy }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: isPrivate ? 'Deny' : 'Allow'
    }
  }
}

// ---- tables and queues

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = [
  for table in names.tables: {
    parent: tableService
    name: table
  }
]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [
  for queue in names.queues: {
    parent: queueService
    name: queue
  }
]

// ---- blobs

// No soft delete: what the retention deletes is personal data, and is to be gone.
resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: false }
    containerDeleteRetentionPolicy: { enabled: false }
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [
  for container in [names.contentContainer, deploymentContainer]: {
    parent: blobService
    name: container
    properties: { publicAccess: 'None' }
  }
]

// Cheaper after two months, but never deleted: how long mail is kept is a parameter of the app, which deletes the content
// with the email.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'old-content-is-cool'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['${names.contentContainer}/']
            }
            actions: {
              baseBlob: { tierToCool: { daysAfterModificationGreaterThan: 60 } }
            }
          }
        }
      ]
    }
  }
  dependsOn: [blobService]
}

// ---- logs

resource blobLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (logRequests) {
  scope: blobService
  name: 'requests'
  properties: {
    workspaceId: workspaceId
    logs: logged
  }
}

resource queueLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (logRequests) {
  scope: queueService
  name: 'requests'
  properties: {
    workspaceId: workspaceId
    logs: logged
  }
}

resource tableLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (logRequests) {
  scope: tableService
  name: 'requests'
  properties: {
    workspaceId: workspaceId
    logs: logged
  }
}

output id string = account.id
output name string = account.name
output deploymentContainer string = deploymentContainer
