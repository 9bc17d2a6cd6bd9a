// Names the module whose sources carry the schema of SARIF 2.1.0 that OASIS publishes; nothing is built from it.
module image-gate.invalid/tests/tools/sarif_schema

go 1.24

require github.com/owenrumney/go-sarif/v3 v3.3.1
