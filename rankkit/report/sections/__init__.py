"""The parts of the gallery's page, one per file: what each shows of the results, as HTML."""
