// Lets the app's identity use Microsoft Graph: Mail.Send for every mailbox of the tenant, until it is restricted to some.
// The deployer must be Privileged Role Administrator; who is not, lets one run infra/scripts/register-graph-app.sh.
extension microsoftGraphV1

param identityPrincipalId string
param permissions array

resource graph 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: '00000003-0000-0000-c000-000000000000' // Microsoft Graph, in every tenant
}

resource grants 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for permission in permissions: {
    principalId: identityPrincipalId
    resourceId: graph.id
    appRoleId: filter(graph.appRoles, role => role.value == permission)[0].id
  }
]
