// What the app measures, to look at: the portal shows it in Application Insights, under Workbooks.

param location string
param tags object
param workspaceId string
param applicationInsightsName string

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'email') // Azure wants one
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Email'
    description: 'Throughput, waiting mail, failures and how long mail takes'
    category: 'workbook'
    sourceId: applicationInsights.id
    version: 'Notebook/1.0'
    serializedData: replace(loadTextContent('../workbook.json'), 'WORKSPACE_ID', workspaceId)
  }
}
