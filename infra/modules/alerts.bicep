// What somebody must hear of, as far as the platform itself can see it.
//
// The queries read the lines that the host writes of each run, "Executing 'Functions.NAME'" and "Executed 'Functions.NAME'
// (Succeeded": with OpenTelemetry it reports a queue trigger's runs as no requests (Azure/azure-sdk-for-net#49793). Nothing
// else writes to this workspace, and rare runs are not sampled away: Flex Consumption gives each queue and timer function
// instances of its own, which say little else.

param actionGroupName string
param location string
param tags object
param alertEmail string
param workspaceId string
param storageId string
param functionAppName string

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'email'
    enabled: true
    emailReceivers: empty(alertEmail)
      ? []
      : [
          {
            name: 'administrators'
            emailAddress: alertEmail
            useCommonAlertSchema: true
          }
        ]
  }
}

// severity: 1 mail stands still, 2 mail suffers. `limit` is compared with the column `value` of the query's one row.
var queries = [
  {
    name: 'poison-queue'
    description: 'A doorbell failed five times. Its email was put aside and is tried again later, or has failed.'
    severity: 2
    minutes: 15
    operator: 'GreaterThan'
    limit: 0
    query: '''
AppTraces
| where Message startswith "Executing 'Functions.put_batch_email_aside'"
    or Message startswith "Executing 'Functions.put_interactive_email_aside'"
| summarize value = sum(ItemCount)
'''
  }
  {
    name: 'failed-runs'
    description: 'More than 5 % of at least 20 runs and requests failed. What a caller did wrong (4xx) does not count.'
    severity: 2
    minutes: 15
    operator: 'GreaterThan'
    limit: 5
    query: '''
let started = AppTraces | where Message startswith "Executing 'Functions." | project ItemCount, failed = false;
let failed = AppTraces | where Message startswith "Executed 'Functions." and Message has "Failed" | project ItemCount, failed = true;
let raised = AppExceptions | where OuterMessage startswith "Exception while executing function" | project ItemCount, failed = true;
let refused = AppRequests | where ResultCode startswith "5" | project ItemCount, failed = true;
union started, failed, raised, refused
| summarize runs = sumif(ItemCount, not(failed)), failures = sumif(ItemCount, failed)
| project value = iff(runs >= 20, 100.0 * failures / runs, 0.0)
'''
  }
  {
    name: 'sweeper-silent'
    description: 'The sweeper, which runs every five minutes, has not run to its end for half an hour: the app is down, or its host cannot use the storage.'
    severity: 1
    minutes: 30
    operator: 'LessThan'
    limit: 1
    query: '''
AppTraces
| where Message startswith "Executed 'Functions.sweep_outbox' (Succeeded"
| summarize value = count()
'''
  }
]

resource queryAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in queries: {
    name: '${alert.name}-${functionAppName}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'Email: ${alert.name}'
      description: alert.description
      severity: alert.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT${alert.minutes}M'
      skipQueryValidation: true // a new workspace may not know its tables yet
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Maximum'
            metricMeasureColumn: 'value'
            operator: alert.operator
            threshold: alert.limit
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: { actionGroups: [actionGroup.id] }
    }
  }
]

resource storageAlert 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'storage-unavailable-${functionAppName}'
  location: 'global'
  tags: tags
  properties: {
    description: 'Less than 99 % of the storage\'s requests were served: it is throttled or down.'
    severity: 1
    enabled: true
    scopes: [storageId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'availability'
          metricNamespace: 'Microsoft.Storage/storageAccounts'
          metricName: 'Availability'
          timeAggregation: 'Average'
          operator: 'LessThan'
          threshold: 99
        }
      ]
    }
    autoMitigate: true
    actions: [
      { actionGroupId: actionGroup.id }
    ]
  }
}
