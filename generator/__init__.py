"""Makes the chart `charts/custos-platform` from the catalogue, the blueprint and a values file."""
