"""What the files together say: card, lineage, licences, datasets, dependencies."""
