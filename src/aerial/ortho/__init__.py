"""From photographs to orthomosaic and surface model, by an engine behind one protocol."""
