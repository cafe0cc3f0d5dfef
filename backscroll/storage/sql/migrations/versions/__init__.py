"""The versions of the schema, each made from the one before. A released one is never changed."""
