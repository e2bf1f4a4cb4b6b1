// The app's registration in Entra: who may call is decided there, by roles. It trusts the app's managed identity, so that
// no client secret exists. The deployer must be allowed to register apps.
extension microsoftGraphV1

param name string
param displayName string
param identityPrincipalId string

var identifierUri = 'api://${tenant().tenantId}/${name}'
var issuer = '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
var roles = [
  { value: 'Email.Send', description: 'Send mail, and see what became of one\'s own.' }
  { value: 'Email.Read', description: 'See all mail.' }
  { value: 'Email.Admin', description: 'See and change everything.' }
]

resource registration 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: name
  displayName: displayName
  signInAudience: 'AzureADMyOrg'
  identifierUris: [identifierUri]
  api: { requestedAccessTokenVersion: 2 }
  web: {
    redirectUris: ['https://${name}.azurewebsites.net/.auth/login/aad/callback']
    implicitGrantSettings: { enableIdTokenIssuance: true } // App Service Authentication asks for one with the code
  }
  appRoles: [
    for role in roles: {
      id: guid(name, role.value)
      value: role.value
      displayName: role.value
      description: role.description
      allowedMemberTypes: ['Application', 'User']
      isEnabled: true
    }
  ]

  resource trust 'federatedIdentityCredentials@v1.0' = {
    name: '${registration.uniqueName}/managed-identity'
    issuer: issuer
    subject: identityPrincipalId
    audiences: ['api://AzureADTokenExchange']
  }
}

// Nobody gets a token without a role: Entra itself refuses it.
resource enterpriseApp 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: registration.appId
  appRoleAssignmentRequired: true
}

output clientId string = registration.appId
output identifierUri string = identifierUri
