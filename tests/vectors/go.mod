module vaultferry/vectors

go 1.26.0
