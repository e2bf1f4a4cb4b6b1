// The private way: the app reaches storage and vault by private endpoints, and nobody else reaches them at all.
// Application Insights stays public: its data comes in by a role alone.

param name string
param location string
param tags object
param storageId string
param vaultId string

var suffix = environment().suffixes.storage
var endpoints = [
  { service: 'blob', target: storageId, zone: 'privatelink.blob.${suffix}' }
  { service: 'queue', target: storageId, zone: 'privatelink.queue.${suffix}' }
  { service: 'table', target: storageId, zone: 'privatelink.table.${suffix}' }
  { service: 'vault', target: vaultId, zone: 'privatelink${replace(environment().suffixes.keyvaultDns, 'vault.', 'vaultcore.')}' }
]

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.0.0.0/23'] }
    subnets: [ // here, not as resources of their own: what this list lacks, a second deployment would delete
      {
        name: 'snet-functions' // 123 addresses: Flex Consumption takes one for each instance, and a few while it changes them
        properties: {
          addressPrefix: '10.0.0.0/25'
          delegations: [
            {
              name: 'functions'
              properties: { serviceName: 'Microsoft.App/environments' }
            }
          ]
        }
      }
      {
        name: 'snet-endpoints'
        properties: {
          addressPrefix: '10.0.1.0/26'
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }

  resource functionsSubnet 'subnets' existing = {
    name: 'snet-functions'
  }

  resource endpointsSubnet 'subnets' existing = {
    name: 'snet-endpoints'
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for endpoint in endpoints: {
    name: endpoint.zone
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (endpoint, index) in endpoints: {
    parent: zones[index]
    name: 'link-${name}'
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: { id: network.id }
    }
  }
]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [
  for endpoint in endpoints: {
    name: 'pep-${endpoint.service}-${name}'
    location: location
    tags: tags
    properties: {
      subnet: { id: network::endpointsSubnet.id }
      privateLinkServiceConnections: [
        {
          name: endpoint.service
          properties: {
            privateLinkServiceId: endpoint.target
            groupIds: [endpoint.service]
          }
        }
      ]
    }
  }
]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [
  for (endpoint, index) in endpoints: {
    parent: privateEndpoints[index]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: endpoint.service
          properties: { privateDnsZoneId: zones[index].id }
        }
      ]
    }
  }
]

output functionsSubnetId string = network::functionsSubnet.id
