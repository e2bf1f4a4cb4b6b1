// The app on Flex Consumption: it scales each queue and timer function by itself, and to nothing when there is no mail.
//
// Concurrency of the queues is host.json's: batchSize 16 + newBatchThreshold 8 = 24 emails at once in an instance, which
// spend their time waiting for a provider.

param name string
param planName string
param location string
param tags object
param identityName string
param clientId string // the identity's: a parameter, as Azure reads no resource inside of a lambda
param storageName string
param deploymentContainer string
param vaultName string
param applicationInsightsName string
param workspaceId string
param emailParameters object
param instanceMemoryMB int
param maximumInstanceCount int
param alwaysReadyInstances int
param subnetId string
param signInClientId string
param signInAudience string
param allowedApplications array

// People wait for HTTP and for interactive mail; batch mail can wait for an instance.
var alwaysReadyNames = alwaysReadyInstances > 0 ? ['http', 'function:send_interactive_email'] : []

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: vaultName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'api' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: { name: 'python', version: '3.12' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: [for one in alwaysReadyNames: { name: one, instanceCount: alwaysReadyInstances }]
        triggers: {
          http: { perInstanceConcurrency: instanceMemoryMB / 128 } // 16 with 2 GB: a request holds its email in memory
        }
      }
    }
  }
}

// ---- publishing by a password is off

resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource noScmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

// ---- settings: all by identity, no secret among them

var endpoints = storage.properties.primaryEndpoints

var settings = {
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: clientId
  AzureWebJobsStorage__blobServiceUri: endpoints.blob
  AzureWebJobsStorage__queueServiceUri: endpoints.queue
  AzureWebJobsStorage__tableServiceUri: endpoints.table
  EmailStorage__credential: 'managedidentity'
  EmailStorage__clientId: clientId
  EmailStorage__blobServiceUri: endpoints.blob
  EmailStorage__queueServiceUri: endpoints.queue
  EmailStorage__tableServiceUri: endpoints.table
  EmailSecrets__vaultUri: vault.properties.vaultUri
  EmailSecrets__credential: 'managedidentity'
  EmailSecrets__clientId: clientId
  EmailAccess__mode: empty(signInClientId) ? 'keys' : 'entra'
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${clientId};Authorization=AAD'
  PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
}

var signInSettings = empty(signInClientId)
  ? {}
  : {
      OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: clientId // signs in by the identity: there is no client secret
      WEBSITE_AUTH_AAD_ALLOWED_TENANTS: tenant().tenantId
      EmailAccess__tenantId: tenant().tenantId
      EmailAccess__audience: '${signInClientId},${signInAudience}'
      EmailAccess__authority: environment().authentication.loginEndpoint
      EmailAccess__appServiceAuthentication: 'true' // people whom the platform signed in; tokens are checked again
    }

// Without them "the managed identity" would mean a system-assigned one, which this app has not.
var identityParameters = toObject(
  loadJsonContent('../names.json').identityParameters,
  parameter => 'EmailParameters__${parameter}',
  parameter => clientId
)

var parameterSettings = toObject(
  items(emailParameters),
  parameter => 'EmailParameters__${parameter.key}',
  parameter => string(parameter.value)
)

resource appSettings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: union(settings, signInSettings, identityParameters, parameterSettings)
}

// ---- sign-in, where it is wanted

resource authentication 'Microsoft.Web/sites/config@2025-03-01' = if (!empty(signInClientId)) {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: true }
    httpSettings: { requireHttps: true }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: 'Return401'
      excludedPaths: ['/api/health']
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
          clientId: signInClientId
          clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
        }
        validation: {
          allowedAudiences: [signInClientId, signInAudience]
          defaultAuthorizationPolicy: empty(allowedApplications) ? {} : { allowedApplications: allowedApplications }
        }
      }
    }
    login: { tokenStore: { enabled: false } } // tokens are needed by nobody after they were checked
  }
  dependsOn: [appSettings]
}

// ---- logs. Those of the functions go to Application Insights already, and would be paid for twice.

resource signInLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(signInClientId)) {
  scope: app
  name: 'sign-ins'
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'AppServiceAuthenticationLogs', enabled: true }
    ]
  }
}

output name string = app.name
output apiAddress string = 'https://${app.properties.defaultHostName}/api'
