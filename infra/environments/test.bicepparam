// As prod, but with nobody waiting: what works here works there.
using '../main.bicep'

param environmentName = 'test'
param location = 'westeurope'
