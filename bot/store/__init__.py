"""The database: tables, queries, encryption, migrations. SQL lives here and in the desk's own queries only."""
