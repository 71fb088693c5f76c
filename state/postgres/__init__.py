"""The only place that speaks SQL: one module for each family of tables."""
