// Small and cheap: for trying things out.
using '../main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param instanceMemoryMB = 512
