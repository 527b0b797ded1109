"""The verbs, one module for each noun. Imported when used."""
