// What somebody must hear of: docs/how-to/operate.md says what to do for each.
//
// Of emails, providers and secrets the app's own metrics tell (docs/reference/metrics.md). A gauge is there once for each
// time that it was measured, so that its Sum is its value.
//
// Of the runs of functions the queries read the lines that the host writes of each run, "Executing 'Functions.NAME'" and "Executed 'Functions.NAME'
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

// severity: 1 mail stands still, 2 mail suffers, 3 it will. `limit` is compared with the column `value` of the query's one row.
var queries = [
  {
    name: 'poison-queue'
    description: 'A doorbell failed five times. Its email was put aside and is tried again later, or has failed.'
    severity: 2
    every: 'PT5M'
    window: 'PT15M'
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
    every: 'PT5M'
    window: 'PT15M'
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
    every: 'PT5M'
    window: 'PT30M'
    operator: 'LessThan'
    limit: 1
    query: '''
AppTraces
| where Message startswith "Executed 'Functions.sweep_outbox' (Succeeded"
| summarize value = count()
'''
  }
  {
    name: 'oldest-unsent'
    description: 'An email that is to be sent by now has waited for more than 15 minutes.'
    severity: 1
    every: 'PT5M'
    window: 'PT15M'
    operator: 'GreaterThan'
    limit: 900
    query: '''
AppMetrics
| where Name == "email.oldest_unsent"
| summarize arg_max(TimeGenerated, Sum) by mode = tostring(Properties.mode)
| summarize value = max(Sum)
'''
  }
  {
    name: 'provider-paused'
    description: 'A provider refuses what an administrator must mend, a sign-in for instance, and its mail has waited for five minutes.'
    severity: 1
    every: 'PT5M'
    window: 'PT15M'
    operator: 'GreaterThan'
    limit: 1
    query: '''
AppMetrics
| where Name == "email.provider.paused"
| summarize measured = countif(Sum > 0) by provider = tostring(Properties.provider)
| summarize value = max(measured)
'''
  }
  {
    name: 'emails-failed'
    description: 'More than 5 % of at least 20 emails failed for good, or expired.'
    severity: 2
    every: 'PT5M'
    window: 'PT1H'
    operator: 'GreaterThan'
    limit: 5
    query: '''
AppMetrics
| where Name in ("email.sent", "email.failed", "email.expired")
| summarize ended = sum(Sum), lost = sumif(Sum, Name != "email.sent")
| project value = iff(ended >= 20, 100.0 * lost / ended, 0.0)
'''
  }
  {
    name: 'secret-expiry'
    description: 'A secret that a provider signs in with expires within 14 days.'
    severity: 3
    every: 'PT1H'
    window: 'PT6H'
    operator: 'LessThan'
    limit: 14
    query: '''
AppMetrics
| where Name == "email.secret.days_left"
| summarize arg_max(TimeGenerated, Sum) by secret = tostring(Properties.secret)
| summarize value = min(Sum)
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
      evaluationFrequency: alert.every
      windowSize: alert.window
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
