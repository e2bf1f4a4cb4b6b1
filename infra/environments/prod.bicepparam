// Survives the loss of a building, answers at once, and keeps its logs for three months.
using '../main.bicep'

param environmentName = 'prod'
param location = 'westeurope'
param storageRedundancy = 'Standard_ZRS'
param alwaysReadyInstances = 1
param logRetentionDays = 90
